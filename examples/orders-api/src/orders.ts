import { config } from './config.ts'
import type { Step } from './database.ts'
import { OrderPaid, OrderPlaced, PaymentDue } from './messages.ts'
import type { Service } from './service.ts'

export interface NewOrder {
  readonly customer: string
  readonly sku: string
  readonly quantity: number
}

export interface Order extends NewOrder {
  readonly id: string
  readonly paid: boolean
  readonly steps: readonly Step[]
}

/**
 * Places an order. The row, its event and its reminder are in one transaction: there are all three, or none. A client
 * that got no answer asks again, with the same id.
 */
export function placeOrder({ database, bus }: Service, id: string, order: NewOrder): Promise<'placed' | 'known'> {
  return database.transaction().execute(async (transaction) => {
    const inserted = await transaction
      .insertInto('orders')
      .values({ id, ...order })
      .onConflict((conflict) => conflict.doNothing())
      .returning('id')
      .executeTakeFirst()
    if (inserted === undefined) return 'known'
    await bus.publish(OrderPlaced({ order: id }), { transaction })
    await bus.schedule(PaymentDue({ order: id }), { delayMs: config.remindAfterMs, transaction })
    return 'placed'
  })
}

/** Notes that an order was paid, once. */
export function payOrder({ database, bus }: Service, id: string): Promise<'paid' | 'not open'> {
  return database.transaction().execute(async (transaction) => {
    const paid = await transaction
      .updateTable('orders')
      .set({ paid: true })
      .where('id', '=', id)
      .where('paid', '=', false)
      .returning('id')
      .executeTakeFirst()
    if (paid === undefined) return 'not open'
    await bus.publish(OrderPaid({ order: id }), { transaction })
    return 'paid'
  })
}

export async function findOrder({ database }: Service, id: string): Promise<Order | undefined> {
  const order = await database.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst()
  if (order === undefined) return undefined
  const steps = await database
    .selectFrom('order_steps')
    .select('step')
    .where('order_id', '=', id)
    .orderBy('position')
    .execute()
  return { ...order, steps: steps.map(({ step }) => step) }
}
