import { defineEvent } from '@buslane/core'

/** Every message is about one order: that is its lane. */
export interface AboutOrder {
  readonly order: string
}

export const OrderPlaced = defineEvent<AboutOrder>('order.placed', { durable: true })
export const OrderPaid = defineEvent<AboutOrder>('order.paid', { durable: true })
/** Days after the order was placed: it should have been paid by now. */
export const PaymentDue = defineEvent<AboutOrder>('payment.due', { durable: true })
