import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { Delivery } from './deliveries.ts'

const SHOWN_REFUSALS = 5

export interface FeedOptions {
  /** Deliveries per second; 0 is as fast as they are accepted. */
  readonly rate: number
  readonly signal: AbortSignal
}

/**
 * Hands the deliveries over one by one, as a web server would; a full queue slows it down. Resolves with how many were
 * refused, and rejects when the signal is aborted.
 */
export async function feed(
  deliveries: readonly Delivery[],
  receive: (delivery: Delivery) => Promise<unknown>,
  { rate, signal }: FeedOptions,
): Promise<number> {
  const startedAt = performance.now()
  let refused = 0
  for (const [index, delivery] of deliveries.entries()) {
    const earlyMs = rate === 0 ? 0 : startedAt + (index * 1000) / rate - performance.now()
    await (earlyMs > 0 ? sleep(earlyMs, undefined, { signal }) : nextTurn(undefined, { signal }))
    try {
      await receive(delivery)
    } catch (error) {
      // A web server would answer 4xx here.
      if (refused++ < SHOWN_REFUSALS)
        console.error(`delivery ${delivery.number} (${delivery.event}) was refused: ${(error as Error).message}`)
    }
  }
  return refused
}
