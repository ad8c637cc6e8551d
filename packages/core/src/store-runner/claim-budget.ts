/** How much a worker holds, by what it does with it. */
export interface Holdings {
  /** Slots that no lane has. */
  readonly slotsFree: number
  /** Held and not begun. */
  readonly waiting: number
  /** Held, of the bus's own lane. */
  readonly serial: number
  /** Named lanes of which something is held. */
  readonly lanes: number
}

/** How much a claim may ask for. */
export interface Budget {
  readonly limit: number
  readonly start: number
  readonly laneLimit: number
  readonly serialLimit: number
}

const WINDOW_MS = 100

/**
 * How much to claim. What is slow is claimed as slots become free, so that other processes get what would only wait here;
 * what is fast is claimed ahead: twice of what settled in the last tenth of a second.
 */
export class ClaimBudget {
  readonly #batchSize: number
  #ahead = 0
  #settled = 0
  #windowAt: number | undefined = undefined

  constructor(batchSize: number) {
    this.#batchSize = batchSize
  }

  settled(now: number): void {
    this.#windowAt ??= now
    this.#settled++
    const elapsed = now - this.#windowAt
    if (elapsed < WINDOW_MS) return
    this.#ahead = Math.min(2 * this.#batchSize, Math.floor((2 * this.#settled * WINDOW_MS) / elapsed))
    if (elapsed > 10 * WINDOW_MS || this.#ahead < 10) this.#ahead = 0
    this.#settled = 0
    this.#windowAt = now
  }

  get ahead(): number {
    return this.#ahead
  }

  /** How many events of the bus's own lane may be claimed: some again when half of them are done. */
  serialLimit({ serial }: Holdings): number {
    return serial > this.#ahead / 2 ? 0 : 1 + this.#ahead - serial
  }

  /** `undefined`: enough is here for now. */
  next(holdings: Holdings): Budget | undefined {
    const { slotsFree, waiting, lanes } = holdings
    const ahead = this.#ahead
    const room = Math.max(0, slotsFree) + ahead - waiting
    // Refill at half empty, so that a claim is worth its round trip.
    if (room <= 0 || (waiting > ahead / 2 && slotsFree - waiting < 1)) return undefined
    return {
      limit: Math.min(room, this.#batchSize),
      start: Math.max(0, slotsFree - waiting),
      laneLimit: Math.min(this.#batchSize, 1 + Math.floor(ahead / Math.max(1, lanes))),
      serialLimit: this.serialLimit(holdings),
    }
  }
}
