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
interface Budget {
  readonly limit: number
  readonly start: number
  readonly laneStart: number
  readonly laneLimit: number
  readonly serialLimit: number
}

/** So much work is held ahead. */
const AHEAD_MS = 50
/** As much of one named lane, which waits for commits. */
const LANE_AHEAD_MS = 250
/** What an event of a named lane takes until that is known. */
const FIRST_LANE_MS = 20
/** For so long after a worker died nothing is started ahead. */
const CAREFUL_MS = 30_000
/** What one event counts in the average. */
const WEIGHT = 0.1
/** Less than this is not worth claiming ahead. */
const MIN_AHEAD = 2

/**
 * How much to claim. What is slow is claimed as slots become free, so that other processes get what would only wait here;
 * what is fast is claimed ahead, as much as is done in 50 ms. That will begin so soon that the claim records it as started,
 * which saves a round trip; see docs/decisions/0006-durable-path.md for what that means after a crash.
 */
export class ClaimBudget {
  readonly #batchSize: number
  readonly #concurrency: number
  /** How long the handlers of one event take, on the average of the last. */
  #workMs = Infinity
  /** How long a named lane is busy with one event, until its end is committed, on the average of the last. */
  #laneMs = FIRST_LANE_MS
  #carefulUntil = -Infinity

  constructor(batchSize: number, concurrency: number) {
    this.#batchSize = batchSize
    this.#concurrency = concurrency
  }

  /** The handlers of an event took so long. */
  worked(ms: number): void {
    this.#workMs = this.#workMs === Infinity ? ms : this.#workMs + (ms - this.#workMs) * WEIGHT
  }

  /** A named lane was busy with an event for so long, its commit included. */
  committed(ms: number): void {
    this.#laneMs += (ms - this.#laneMs) * WEIGHT
  }

  /** Something was interrupted: what is started ahead would be taken for interrupted too if that happens again. */
  interrupted(now: number): void {
    this.#carefulUntil = now + CAREFUL_MS
  }

  /** How many events more than there are free slots may wait here. */
  get ahead(): number {
    return Math.min(4 * this.#batchSize, this.#doneIn(AHEAD_MS) * this.#concurrency)
  }

  /** Whether all that is held will begin so soon that it may be recorded as started. */
  startsAhead(now: number): boolean {
    return now >= this.#carefulUntil
  }

  /** How many of one named lane may be recorded as started: all that are held of it, since each waits for the one before only. */
  laneStart(now: number): number {
    return this.startsAhead(now) ? this.#laneMost : 1
  }

  /** How many of one named lane are done in 250 ms: each waits for the commit of the one before. */
  get #laneMost(): number {
    return 1 + Math.min(this.#batchSize, Math.floor(LANE_AHEAD_MS / this.#laneMs))
  }

  /** How many events of the bus's own lane may be claimed: some again when half of them are done. */
  serialLimit({ serial }: Holdings): number {
    const most = 1 + Math.min(this.#batchSize, this.#doneIn(AHEAD_MS))
    return serial > most / 2 ? 0 : most - serial
  }

  /** How many events of one named lane are worth holding. */
  laneLimit(lanes: number): number {
    return Math.min(this.#laneMost, 1 + Math.floor(this.ahead / Math.max(1, lanes)))
  }

  /** `undefined`: enough is here for now. */
  next(holdings: Holdings, now: number): Budget | undefined {
    const { slotsFree, waiting, lanes } = holdings
    const { ahead } = this
    const room = Math.max(0, slotsFree) + ahead - waiting
    // Refill at half empty, so that a claim is worth its round trip.
    if (room <= 0 || (waiting > ahead / 2 && slotsFree - waiting < 1)) return undefined
    return {
      limit: Math.min(room, this.#batchSize),
      start: this.startsAhead(now) ? room : Math.max(0, slotsFree - waiting),
      laneStart: this.laneStart(now),
      laneLimit: this.laneLimit(lanes),
      serialLimit: this.serialLimit(holdings),
    }
  }

  /** How many events one after another are done in so long. */
  #doneIn(ms: number): number {
    const count = Math.floor(ms / Math.max(this.#workMs, ms / this.#batchSize))
    return count < MIN_AHEAD ? 0 : count
  }
}
