import { setTimeout as sleep } from 'node:timers/promises'
import type { OpenQueue } from '../durable/queue.ts'

/** Publishes so many a second, and keeps account of what was accepted and when. */
export class Publisher {
  /** By number, in epoch milliseconds. */
  readonly acceptedAt: Map<number, number> = new Map()
  refused = 0
  readonly #queue: OpenQueue
  readonly #perSecond: number
  #underWay = 0

  constructor(queue: OpenQueue, perSecond: number) {
    this.#queue = queue
    this.#perSecond = perSecond
  }

  async publishFor(ms: number): Promise<void> {
    const startedAt = performance.now()
    for (let n = 0; performance.now() - startedAt < ms; n++) {
      this.#publish(n)
      const dueAt = startedAt + ((n + 1) * 1000) / this.#perSecond
      await sleep(Math.max(0, dueAt - performance.now()))
    }
  }

  /** Until every publish was answered, at most so long. */
  async answered(ms: number): Promise<void> {
    for (const until = Date.now() + ms; this.#underWay > 0 && Date.now() < until;) await sleep(20)
  }

  #publish(n: number): void {
    this.#underWay++
    this.#queue
      .publish(n)
      .then(
        () => this.acceptedAt.set(n, Date.now()),
        () => this.refused++,
      )
      .finally(() => this.#underWay--)
  }
}
