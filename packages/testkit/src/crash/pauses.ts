/** Where a worker can be made to stand still, so that it is killed exactly there. */
export type PausePoint =
  /** Events are stored, and whoever published them has not been told. */
  | 'after-append-ack'
  /** Events are leased, and nothing of them has begun. */
  | 'after-claim'
  | 'mid-handler'
  /** A handler has ended, and nothing of that has been written. */
  | 'after-handler-before-complete'
  /** The store is being told that an event is handled; whether that is committed is open. */
  | 'during-complete'
  | 'during-dead-move'
  | 'during-replay'
  /** The lease is being extended, with at least one event held. */
  | 'during-heartbeat'
  /** The tables are being made, in a transaction that is open. */
  | 'during-migration'
  /**
   * An approval is about to get this status, is being given it (whether that is committed is open), or has it, and whoever did it has not
   * been told. `added`: it is new.
   */
  | `${'before' | 'during' | 'after'}-approval-${'added' | (string & {})}`

/** The pause that a worker was started with, if any. Where it pauses it says so, and waits for ever. */
export class Pauses {
  readonly #point: PausePoint | undefined
  readonly #reached: (point: PausePoint) => void

  constructor(point: PausePoint | undefined, reached: (point: PausePoint) => void) {
    this.#point = point
    this.#reached = reached
  }

  /** Waits for ever if this is the point. */
  async at(point: PausePoint): Promise<void> {
    if (point !== this.#point) return
    this.#reached(point)
    await forever()
  }

  /** Does the work; if this is the point, says so while it is under way, and never answers. */
  async during<Answer>(point: PausePoint, work: () => Promise<Answer>): Promise<Answer> {
    if (point !== this.#point) return work()
    // Its outcome is nobody's business any more.
    void work().then(ignore, ignore)
    this.#reached(point)
    return forever()
  }
}

const ignore = (): void => {}

const forever = (): Promise<never> => new Promise<never>(() => {})
