import type { Claimed, ClaimRequest, ClaimType, EventStore, Tended } from '../persistence.ts'
import type { StoreHost } from '../store-host.ts'
import { noop } from '../thenable.ts'
import type { Timer } from '../timers.ts'
import { ClaimBudget, type Holdings } from './claim-budget.ts'
import type { Connection } from './connection.ts'

/** What claiming needs of the runner around it. */
interface ClaimerHost {
  holdings(): Holdings
  types(): readonly ClaimType[]
  ask(request: ClaimRequest): Promise<Claimed>
  claimed(claimed: Claimed): void
  /** Dead workers were looked for. */
  swept(tended: Tended): void
  /** No claim is under way. */
  rested(): void
}

/** Decides when to claim, and looks after the store: makes ready what is due, and finds dead workers. */
export class Claimer {
  readonly #store: EventStore
  readonly #bus: StoreHost
  readonly #host: ClaimerHost
  readonly #connection: Connection
  readonly #budget: ClaimBudget
  #enabled = false
  #open = false
  /** Something may be claimable. */
  #maybeMore = false
  /** The last claim was kept from taking more of the bus's own lane. */
  #serialCut = false
  /** Of the last claim. */
  #laneLimit = 0
  #claiming = false
  #queued = false
  /** How many lanes are being given back: what is first in them is not known to the store until that is written. */
  #paused = 0
  #rested = Promise.withResolvers<void>()
  #pollTimer: Timer | undefined = undefined
  /** When the next poll is, by the monotonic clock; `Infinity` while one is under way. */
  #pollAt = Infinity
  #sweepTimer: Timer | undefined = undefined
  #hints: Disposable | undefined = undefined

  constructor(store: EventStore, bus: StoreHost, host: ClaimerHost, connection: Connection) {
    this.#store = store
    this.#bus = bus
    this.#host = host
    this.#connection = connection
    this.#budget = new ClaimBudget(store.settings.batchSize, bus.concurrency)
  }

  /** A claim is under way, or about to be. */
  get busy(): boolean {
    return this.#claiming || this.#queued
  }

  /** Events may be leased to this process. */
  get enabled(): boolean {
    return this.#enabled
  }

  get ahead(): number {
    return this.#budget.ahead
  }

  /** Whether what is held will begin soon enough to be recorded as started. */
  get startsAhead(): boolean {
    return this.#budget.startsAhead(this.#bus.clock.monotonic())
  }

  /** How many events of a named lane may be recorded as started. */
  get laneStart(): number {
    return this.#budget.laneStart(this.#bus.clock.monotonic())
  }

  enable(): void {
    this.#enabled = true
    this.#hints ??= this.#store.onHint?.(() => this.wake())
    this.up()
  }

  /** Claims nothing any more; goes on to look after the store. */
  disable(): void {
    this.#enabled = false
  }

  close(): void {
    this.#enabled = false
    this.#open = false
    this.#hints?.[Symbol.dispose]()
    this.#hints = undefined
    this.#bus.cancel(this.#pollTimer)
    this.#bus.cancel(this.#sweepTimer)
  }

  /** The store can be used, now or again. */
  up(): void {
    if (!this.#enabled || !this.#connection.isUp || this.#connection.worker === undefined) return
    if (!this.#open) {
      this.#open = true
      this.#sweepLater()
    }
    this.poll()
  }

  /** The handlers of an event took so long. */
  worked(ms: number): void {
    this.#budget.worked(ms)
  }

  /** A named lane was busy with an event for so long, its commit included. */
  committed(ms: number): void {
    this.#budget.committed(ms)
  }

  /** An event is not worked on here any more. `heldOfLane`: how many others of its named lane are still held here. */
  settled(heldOfLane: number | undefined): void {
    const laneMayHaveMore = heldOfLane !== undefined && heldOfLane <= this.#laneLimit / 4
    if (laneMayHaveMore || (this.#serialCut && this.#budget.serialLimit(this.#host.holdings()) > 0))
      this.#maybeMore = true
    this.look()
  }

  /** Something may have become ready. */
  wake(): void {
    this.#maybeMore = true
    this.look()
  }

  /** No claim begins until {@link resume}. Resolves when none is under way. */
  async pause(): Promise<void> {
    this.#paused++
    while (this.busy) await this.#rested.promise
  }

  resume(): void {
    this.#paused--
    this.wake()
  }

  /** Claims if there may be something, and room for it. */
  look(): void {
    if (!this.#maybeMore || this.#claiming || this.#queued || !this.#enabled || this.#paused > 0) return
    this.#queued = true
    queueMicrotask(() => {
      this.#queued = false
      // It is quiet then also if there was nothing to ask for.
      void this.#claim()
        .catch(noop)
        .finally(() => {
          const { resolve } = this.#rested
          this.#rested = Promise.withResolvers()
          resolve()
          this.#host.rested()
          this.#bus.checkQuiet()
        })
    })
  }

  /** Something is due after so long: looks then, if no poll does sooner. */
  dueIn(delayMs: number): void {
    const waitMs = Math.max(1, delayMs)
    const at = this.#bus.clock.monotonic() + waitMs
    if (!this.#open || at >= this.#pollAt) return
    this.#bus.cancel(this.#pollTimer)
    this.#pollAt = at
    this.#pollTimer = this.#bus.after(waitMs, () => this.poll())
  }

  /** Makes ready what is due, and claims. The truth; hints only make it come sooner. */
  poll(): void {
    this.#bus.cancel(this.#pollTimer)
    this.#pollAt = Infinity
    void this.#poll().catch(noop)
  }

  async #poll(): Promise<void> {
    const { pollMs } = this.#store.settings
    let nextInMs = pollMs
    if (this.#usable) {
      try {
        const { nextDueInMs } = await this.#tend(() => this.#store.ready(this.#host.types()))
        if (nextDueInMs !== undefined) nextInMs = Math.min(pollMs, nextDueInMs)
      } catch {
        return // it polls again when the store is up
      }
      this.wake()
    }
    // What came due meanwhile may be sooner.
    this.dueIn(nextInMs)
  }

  #sweepLater(): void {
    this.#sweepTimer = this.#bus.after(this.#store.settings.sweepMs, () => {
      const again = (): void => {
        if (this.#open) this.#sweepLater()
      }
      if (!this.#usable) return again()
      const swept = this.#tend(() => this.#store.sweep()).then((tended) => {
        this.#host.swept(tended)
        if (tended.rescued > 0) this.wake()
      })
      void swept.catch(noop).then(again)
    })
  }

  get #usable(): boolean {
    return this.#open && this.#connection.isUp && this.#connection.worker !== undefined
  }

  #tend(tend: () => Promise<Tended>): Promise<Tended> {
    return this.#connection.call(tend)
  }

  async #claim(): Promise<void> {
    const { worker } = this.#connection
    if (!this.#enabled || !this.#usable || worker === undefined || this.#paused > 0) return
    const budget = this.#budget.next(this.#host.holdings(), this.#bus.clock.monotonic())
    const types = this.#host.types()
    if (!budget || types.length === 0) return
    const request: ClaimRequest = { worker, types, ...budget }
    this.#claiming = true
    this.#maybeMore = false
    try {
      const claimed = await this.#host.ask(request)
      const serial = claimed.events.filter((event) => event.serial).length
      this.#serialCut = serial >= request.serialLimit
      this.#laneLimit = request.laneLimit
      if (claimed.events.some(({ interruptions }) => interruptions > 0)) {
        this.#budget.interrupted(this.#bus.clock.monotonic())
      }
      if (!claimed.exhausted || (claimed.events.length > serial && !this.#serialCut)) this.#maybeMore = true
      this.#host.claimed(claimed)
    } finally {
      this.#claiming = false
    }
    // What the limits of lanes left behind is claimed when what they hold has settled, perhaps meanwhile.
    if (this.#serialCut && this.#budget.serialLimit(this.#host.holdings()) > 0) this.#maybeMore = true
    this.look()
  }
}
