import { setTimeout as sleep } from 'node:timers/promises'

/** What the shop needs of the world. The methods give up when the signal is aborted. */
export interface Services {
  reserve(sku: string, signal: AbortSignal): Promise<{ readonly left: number }>
  orderMore(sku: string, signal: AbortSignal): Promise<void>
  /** @throws {MailRefused} */
  sendMail(order: number, signal: AbortSignal): Promise<void>
  askForReview(order: number, signal: AbortSignal): Promise<void>
}

/** The mail server is busy. */
class MailRefused extends Error {
  override readonly name = 'MailRefused'
}

const FULL_SHELF = 10

/** Stand-ins. Of 120 mails each tenth is refused at first, and ten in a row are refused for good. */
export function simulatedServices(): Services {
  const shelf = new Map<string, number>()
  const refusedBefore = new Set<number>()
  const wait = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal })
  return {
    async reserve(sku, signal) {
      await wait(2, signal)
      const left = Math.max(0, (shelf.get(sku) ?? FULL_SHELF) - 1)
      shelf.set(sku, left)
      return { left }
    },
    async orderMore(sku, signal) {
      await wait(4, signal)
      shelf.set(sku, FULL_SHELF)
    },
    async sendMail(order, signal) {
      await wait(3, signal)
      const turn = order % 120
      const outage = turn >= 50 && turn < 60
      const busy = turn % 10 === 3 && !refusedBefore.has(order)
      if (!outage && !busy) return
      refusedBefore.add(order)
      throw new MailRefused(`no mail for order ${order}: the server is busy`)
    },
    askForReview: (_order, signal) => wait(3, signal),
  }
}
