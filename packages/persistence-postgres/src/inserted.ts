/** What was stored, as one row: many cost more to send and to read than to make. */
export interface InsertedRow {
  /** When they were accepted. */
  readonly now: number
  /** Of the stored events, in the order in which they were given; null if there are none. */
  readonly keys: string | null
  /** One letter for each of them: `s` leased and started, `l` leased, `-` neither. */
  readonly leases: string | null
  /** JSON array of their idempotency keys; null if no event has one. */
  readonly idempotency_keys: string | null
}

/** What a time can be: 8.64e15 is the last that a `Date` can hold. */
const MAX_TIME = 8.64e15

/** A time for the database. Never early: a fraction of a millisecond is rounded up. */
export const whole = (ms: number): number => Math.min(Math.max(Math.ceil(ms), -MAX_TIME), MAX_TIME)
