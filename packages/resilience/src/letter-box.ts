import type { Message } from '@buslane/core'
import type { DeadLetter } from './dead-letter.ts'

type AnyMessage = Message & { readonly kind: 'event' | 'command' }

/** A dead letter that is in memory only, with what it takes to handle its message again. */
export interface BoxedLetter {
  readonly letter: DeadLetter
  /** The message as it was given. */
  readonly message: AnyMessage
  /** The name in a plan of the handler that failed; `undefined` for one without a name of its own. */
  readonly identity: string | undefined
}

/** So that keys of the box and of the store are told apart. */
const PREFIX = 'memory:'

/** Whether it is what a page of the box gave as `next`. */
export const isBoxedCursor = (cursor: string): boolean => /^memory:\d+$/.test(cursor)

export const isBoxed = (key: string): boolean => key.startsWith(PREFIX)

/** Dead letters in memory, oldest first. When it is full the oldest leave, counted: nobody ever waits for room. */
export class LetterBox {
  /** How many left because it was full. */
  dropped = 0
  readonly #limit: number
  readonly #letters = new Map<string, BoxedLetter>()
  #last = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#letters.size
  }

  /** Its key, and whether another one had to leave. */
  add(boxed: Omit<BoxedLetter, 'letter'> & { readonly letter: Omit<DeadLetter, 'key'> }): {
    readonly key: string
    readonly isFull: boolean
  } {
    const key = `${PREFIX}${++this.#last}`
    this.#letters.set(key, { ...boxed, letter: { ...boxed.letter, key } })
    const isFull = this.#letters.size > this.#limit
    if (isFull) {
      const [oldest] = this.#letters.keys()
      this.#letters.delete(oldest!)
      this.dropped++
    }
    return { key, isFull }
  }

  get(key: string): BoxedLetter | undefined {
    return this.#letters.get(key)
  }

  /** Takes it out: of several who try, one gets it. */
  take(key: string): BoxedLetter | undefined {
    const boxed = this.#letters.get(key)
    this.#letters.delete(key)
    return boxed
  }

  /** Those after the cursor that fit, up to so many, and the cursor behind them if there are more. */
  page(
    fits: (letter: DeadLetter) => boolean,
    after: string,
    limit: number,
  ): { readonly entries: readonly DeadLetter[]; readonly next: string | undefined } {
    const entries: DeadLetter[] = []
    const last = Number(after.slice(PREFIX.length)) || 0
    for (const [key, { letter }] of this.#letters) {
      if (Number(key.slice(PREFIX.length)) <= last || !fits(letter)) continue
      if (entries.length === limit) return { entries, next: entries.at(-1)!.key }
      entries.push(letter)
    }
    return { entries, next: undefined }
  }

  get reasons(): Readonly<Record<string, number>> {
    // Reasons are any texts: `__proto__`, too.
    const counts = new Map<string, number>()
    for (const { letter } of this.#letters.values()) counts.set(letter.reason, (counts.get(letter.reason) ?? 0) + 1)
    return Object.fromEntries(counts)
  }
}
