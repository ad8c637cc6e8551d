import { setTimeout as sleep } from 'node:timers/promises'
import { type EventContext, HandlerPriority } from '@buslane/core'
import type { DatabaseTransaction, Step } from './database.ts'
import { OrderPaid, OrderPlaced, PaymentDue } from './messages.ts'
import type { Service } from './service.ts'

/** What the workers do. What is in the tables was done exactly once, whenever a worker is killed. */
export function registerHandlers({ bus, database }: Service): void {
  /**
   * Commits the rows of a handler and its completion together. A mail cannot be in a transaction: it goes out again if
   * the process dies between mail and commit.
   */
  const commit = ({ completeIn }: EventContext, work: (transaction: DatabaseTransaction) => Promise<void>) =>
    database.transaction().execute(async (transaction) => {
      await work(transaction)
      await completeIn(transaction)
    })

  bus.on(
    OrderPlaced,
    ({ payload: { order } }, context) =>
      commit(context, async (transaction) => {
        await reserveStock(transaction, order)
        await writeStep(transaction, order, 'reserved')
      }),
    { name: 'reserve-stock', priority: HandlerPriority.HIGH },
  )
  // Starts when the stock is reserved, whichever worker did that.
  bus.on(
    OrderPlaced,
    async ({ payload: { order } }, context) => {
      await sendMail(`Order ${order} was placed.`, context.signal)
      await commit(context, (transaction) => writeStep(transaction, order, 'confirmed'))
    },
    { name: 'confirm' },
  )
  bus.on(
    OrderPaid,
    ({ payload: { order } }, context) => commit(context, (transaction) => writeStep(transaction, order, 'shipped')),
    { name: 'ship' },
  )
  bus.on(
    PaymentDue,
    async ({ payload: { order } }, context) => {
      const { paid } = await database
        .selectFrom('orders')
        .select('paid')
        .where('id', '=', order)
        .executeTakeFirstOrThrow()
      if (paid) return
      await sendMail(`Order ${order} is waiting for your payment.`, context.signal)
      await commit(context, (transaction) => writeStep(transaction, order, 'reminded'))
    },
    { name: 'remind' },
  )
}

async function writeStep(transaction: DatabaseTransaction, order: string, step: Step): Promise<void> {
  await transaction.insertInto('order_steps').values({ order_id: order, step }).execute()
}

async function reserveStock(transaction: DatabaseTransaction, order: string): Promise<void> {
  const { sku, quantity } = await transaction
    .selectFrom('orders')
    .select(['sku', 'quantity'])
    .where('id', '=', order)
    .executeTakeFirstOrThrow()
  await transaction
    .insertInto('stock')
    .values({ sku, reserved: quantity })
    .onConflict((conflict) =>
      conflict.column('sku').doUpdateSet(({ eb }) => ({ reserved: eb('stock.reserved', '+', quantity) })),
    )
    .execute()
}

/** Stands in for a mail service. Yours should get the signal, too: it is raised when the worker has to end. */
const sendMail = (_text: string, signal: AbortSignal): Promise<void> => sleep(20, undefined, { signal })
