import type { Claimed, ClaimedEvent, ClaimRequest, ClaimType } from '@buslane/core'
import { typeKeyOf, type TypeQueue } from './claim-pool.ts'
import type { Database } from './database.ts'
import { isExhausted, bury } from './give-up.ts'
import type { Lane } from './lane.ts'
import { newToken, recordStart } from './lease.ts'
import { beforeAmongLanes, type Offer, type Row, type RunningPlace } from './stored-row.ts'
import type { Worker } from './worker.ts'

/** Leases what is ready to the worker, in order. */
export const claim = (db: Database, request: ClaimRequest): Claimed => {
  const { now, events } = db
  const worker = events.workers.get(request.worker)
  if (!worker) return { events: [], exhausted: true, now }
  const readied = events.readyDue(now)
  events.readyUnhandled(request.types)
  const claimed = new Claim(db, request, worker, now).run()
  // Offers that this claim made are for this worker, which asks again by itself; only what fell due and was left is news.
  events.offered = readied > 0 && !claimed.exhausted
  return claimed
}

class Claim {
  readonly #db: Database
  readonly #request: ClaimRequest
  readonly #worker: Worker
  readonly #now: number
  readonly #types: ReadonlyMap<string, ClaimType>
  readonly #token = newToken()
  readonly #claimed: ClaimedEvent[] = []
  /** Lanes of which this worker has enough. */
  readonly #full: Lane[] = []
  #startsLeft: number
  #serialLeft: number

  constructor(db: Database, request: ClaimRequest, worker: Worker, now: number) {
    this.#db = db
    this.#request = request
    this.#worker = worker
    this.#now = now
    this.#types = new Map(request.types.map((type) => [typeKeyOf(type), type]))
    this.#startsLeft = request.start
    this.#serialLeft = request.serialLimit
  }

  run(): Claimed {
    let exhausted = true
    for (let next = this.#next(); next; next = this.#next()) {
      if (this.#claimed.length >= this.#request.limit) {
        exhausted = false
        break
      }
      this.#take(next.row, next.type)
    }
    for (const lane of this.#full) this.#db.events.offerHead(lane)
    return { events: this.#claimed, exhausted, now: this.#now }
  }

  /** The first that may be claimed. What is in the way for good is moved out of it. */
  #next(): { readonly row: Row; readonly type: ClaimType } | undefined {
    for (let offer = this.#firstOffer(); offer; offer = this.#firstOffer()) {
      const { row } = offer
      const type = this.#types.get(typeKeyOf(row.message))
      const lane = row.lane === undefined ? undefined : this.#db.events.lanes.get(row.lane)
      if (!type) this.#db.events.move(row, { state: 'unhandled' })
      else if (isExhausted(row))
        bury(this.#db, row, { reason: 'attempts-exhausted-without-report', worker: this.#worker.id })
      else if (lane && lane.held.size >= this.#request.laneLimit) {
        this.#full.push(lane)
        this.#db.events.withdraw(lane)
      } else return { row, type }
    }
    return undefined
  }

  #firstOffer(): Offer | undefined {
    let first: Offer | undefined
    for (const pool of [this.#db.events.common, this.#worker.pool]) {
      for (const queue of pool.queues()) {
        const offer = this.#wants(queue) ? queue.offers.peek() : undefined
        if (offer && (!first || beforeAmongLanes(offer, first))) first = offer
      }
    }
    return first
  }

  /** Types that are held back stay where they are, and with them the lanes behind them. */
  #wants({ typeKey, serial }: TypeQueue): boolean {
    const type = this.#types.get(typeKey)
    if (!type) return true // to be set aside
    return type.paused !== true && !(serial && this.#serialLeft <= 0)
  }

  #take(row: Row, { handlers }: ClaimType): void {
    const { events } = this.#db
    const lane = row.lane === undefined ? undefined : events.lanes.get(row.lane)
    const heldOfLane = lane?.held.size ?? 0
    const isSoon =
      heldOfLane === 0 ||
      (heldOfLane < (this.#request.laneStart ?? 1) && !row.begun && lane?.holdsLater(row.orderKey) !== true)
    const expired = row.handlers === undefined && isOver(row, this.#now)
    const { unreported, handlers: recorded } = row
    const place: RunningPlace = {
      state: 'running',
      worker: this.#worker.id,
      token: this.#token,
      started: false,
      recordedHandlers: false,
    }
    events.move(row, place)
    if (row.serial) this.#serialLeft--
    const start = handlers !== undefined && isSoon && !expired && this.#startsLeft > 0
    if (start) {
      this.#startsLeft--
      recordStart({ row, place }, handlers)
    }
    this.#claimed.push({
      lease: { key: row.key, token: this.#token },
      message: row.message,
      lane: row.lane,
      serial: row.serial,
      priority: row.priority,
      orderKey: row.begun ? -Infinity : row.orderKey,
      acceptedAt: row.baseAt,
      onCrash: row.onCrash,
      idempotencyKey: row.idempotencyKey,
      started: start,
      unreported,
      interruptions: row.interruptions,
      handlers: recorded,
      progress: row.progress,
      expired,
      deferredSince: row.deferredSince,
      replays: row.replays,
    })
  }
}

const isOver = ({ acceptedAt, expiresInMs }: Row, now: number): boolean =>
  expiresInMs !== undefined && now - acceptedAt >= expiresInMs
