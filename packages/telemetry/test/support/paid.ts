import { defineEvent, type EventDefinition } from '@buslane/core'

interface Payment {
  readonly n: number
}

export const Paid: EventDefinition<Payment, Payment, true> = defineEvent<Payment>('order.paid', { durable: true })
