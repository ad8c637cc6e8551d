import { type Clock, nextTurn, systemClock } from './clock.ts'
import { type Delivery, isGone } from './delivery.ts'
import { Dispatch, type DispatchHost } from './dispatch.ts'
import { goesBefore, OrderedQueue } from './ordered-queue.ts'

/** Events that are handled one after another. It exists only while one of them waits or runs. */
export interface Lane {
  /** `undefined`: a lane for one event, which has no order with any other. */
  readonly key: string | undefined
  readonly queue: OrderedQueue<Delivery>
  /** Who runs it. `committing`: nobody, but its last event is not written yet. */
  run: LaneRun | 'committing' | undefined
}

/** What the lanes need of the bus around them. */
export interface LanesHost {
  /** A waiting event leaves the queue and begins. */
  begin(delivery: Delivery, dispatch: Dispatch): boolean
  /** An event has settled. A promise if the next of its lane must wait until that is written. */
  settle(dispatch: Dispatch): Promise<void> | undefined
  checkQuiet(): void
}

/** A drain gives the event loop a turn after this time (R-LANE-4). */
const SLICE_MS = 10

/**
 * Decides which event is next: within a lane that with the lowest order key, and among lanes with waiting events and none
 * that runs, the one whose head has the lowest (R-PRI-5). At most `concurrency` lanes run at once.
 */
export class Lanes {
  /** The dispatches at work, those that run as part of a waiting handler included. */
  readonly active: Set<Dispatch> = new Set()
  /** Lanes that run. */
  running = 0
  /** Runs, and resumptions, that are on the stack: what they do next is not visible yet. */
  moving = 0
  /** Nested events that begin in a microtask. */
  readonly beginning: Set<Delivery> = new Set()
  /** Nothing starts while closed. */
  #open = false
  readonly #host: LanesHost
  readonly #dispatchHost: DispatchHost
  readonly #clock: Clock
  readonly #concurrency: number
  readonly #lanes = new Map<string, Lane>()
  /** The named lane that became empty last, if it still is: a bus with one event at a time uses the same one again and again. */
  #resting: Lane | undefined = undefined
  /** Where the last event was added: the next often goes there too. */
  #latest: Lane | undefined = undefined
  /** The heads of lanes that could run; see {@link #firstReady}. */
  readonly #ready = new OrderedQueue<Delivery>(isNoHead)
  readonly #idleRuns: LaneRun[] = []
  #drainQueued = false
  #now = 0
  #fresh = false
  #unread = 0
  readonly #cachesTime: boolean
  #sliceStartedAt = 0
  #sliceMarked = false
  #yielded: (() => void)[] = []

  constructor(host: LanesHost, dispatchHost: DispatchHost, clock: Clock, concurrency: number) {
    this.#host = host
    this.#dispatchHost = dispatchHost
    this.#clock = clock
    this.#cachesTime = clock === systemClock
    this.#concurrency = concurrency
  }

  /** How many lanes have an event that waits or runs. */
  get size(): number {
    return this.#lanes.size - (this.#resting ? 1 : 0)
  }

  get slotsFree(): number {
    return this.#concurrency - this.running
  }

  /** Whether something will start without anything else having to happen. */
  get willStart(): boolean {
    return this.#drainQueued || this.#yielded.length > 0
  }

  get closed(): boolean {
    return !this.#open
  }

  lane(key: string): Lane | undefined {
    const lane = this.#lanes.get(key)
    return lane === this.#resting ? undefined : lane
  }

  open(): void {
    this.#open = true
    this.#queueDrain()
  }

  close(): void {
    this.#open = false
  }

  /**
   * The monotonic time, for the order key of an event that is accepted now. Reading the system's clock costs as much as a
   * handler, so what is accepted in one go, with no handler started and no turn of the event loop between, shares a time
   * (an event loop keeps its own time in the same way). Clocks that are injected are always asked.
   */
  acceptedAt(): number {
    if (!this.#fresh) {
      this.#readClock()
      this.#fresh = this.#cachesTime
    }
    return this.#now
  }

  add(delivery: Delivery): void {
    const { laneKey } = delivery
    let lane = this.#latest
    if (lane === undefined || laneKey === undefined || lane.key !== laneKey) lane = this.#laneOf(laneKey)
    if (lane === this.#resting) this.#resting = undefined
    delivery.lane = lane
    lane.queue.push(delivery)
    if (lane.run !== undefined) return
    if (lane.queue.peek() === delivery) this.#ready.push(delivery)
    this.#queueDrain()
  }

  #laneOf(key: string | undefined): Lane {
    let lane = this.#lanes.get(key as string) // none has no key
    if (lane === undefined) {
      lane = { key, queue: new OrderedQueue(isGone), run: undefined }
      if (key !== undefined) this.#lanes.set(key, lane)
    }
    return (this.#latest = lane)
  }

  /** Takes a waiting event away. The caller has marked it as gone. */
  remove(delivery: Delivery): void {
    const { lane } = delivery
    if (!lane) return
    lane.queue.forget()
    if (lane.run !== undefined) return
    const head = lane.queue.peek()
    if (head && goesBefore(head, delivery)) return
    this.#ready.forget()
    if (head) this.#ready.push(head)
    else this.#discard(lane)
  }

  /** All events that wait. */
  *waiting(): Generator<Delivery> {
    const anonymous = new Set<Lane>()
    for (const { lane } of this.#ready) if (lane && lane.key === undefined) anonymous.add(lane)
    for (const { queue } of [...this.#lanes.values(), ...anonymous]) yield* queue
  }

  /** Runs an event at once, as part of the handler that waits for it: outside lanes and slots (R-PUB-3). */
  runNested(delivery: Delivery): void {
    const dispatch: Dispatch = new Dispatch(this.#dispatchHost, () => this.#endNested(dispatch))
    this.active.add(dispatch)
    this.beginning.add(delivery)
    queueMicrotask(() => {
      this.beginning.delete(delivery)
      if (this.#host.begin(delivery, dispatch)) this.#endNested(dispatch)
    })
  }

  /** Whether the event loop has waited long enough; see {@link SLICE_MS}. Asked before every event. */
  overdue(): boolean {
    const last = this.#now
    this.#fresh = false
    this.#readClock()
    this.#unread = this.#cachesTime && this.#now === last ? 7 : 0
    return this.#now - this.#sliceStartedAt >= SLICE_MS
  }

  /** As {@link overdue}, between two handlers of an event: while they take no time, every eighth look is enough. */
  overdueWithin(): boolean {
    return this.#unread-- <= 0 && this.overdue()
  }

  #readClock(): void {
    const now = this.#clock.monotonic()
    // Whole milliseconds of the system's clock: small integers need no memory, and ties go by acceptance.
    this.#now = this.#cachesTime ? Math.floor(now) : now
    if (this.#sliceMarked) return
    // The first look in this turn of the event loop: the slice lasts until the next turn.
    this.#sliceMarked = true
    this.#sliceStartedAt = this.#now
    nextTurn(this.#nextSlice)
  }

  yield(callback: () => void): void {
    this.#yielded.push(callback)
  }

  /** The next event for a run, of its lane or of one with an earlier head; `undefined`, and its slot is free. */
  take(run: LaneRun): Delivery | undefined {
    // The usual case: no other lane is ready, so the next event is that of the same lane.
    if (run.lane !== undefined && this.#open && this.#ready.empty) {
      const next = run.lane.queue.pop()
      if (next !== undefined) return next
    }
    const lane = this.#next(run.lane)
    run.lane = lane
    if (lane === undefined) return undefined
    lane.run = run
    return lane.queue.pop()
  }

  #next(lane: Lane | undefined): Lane | undefined {
    const head = lane?.queue.peek()
    const other = this.#firstReady()
    if (this.#open && head && (!other || goesBefore(head, other))) return lane
    if (lane) {
      lane.run = undefined
      if (head) {
        this.#ready.push(head)
        this.#queueDrain()
      } else this.#discard(lane)
    }
    if (!this.#open || this.#firstReady() === undefined) return undefined
    return this.#ready.pop()!.lane
  }

  /** Entries that are no head any more are passed over: nobody looks for them when a lane gets another head. */
  #firstReady(): Delivery | undefined {
    let first = this.#ready.peek()
    while (first !== undefined && isNoHead(first)) {
      this.#ready.pop()
      first = this.#ready.peek()
    }
    return first
  }

  /** Lets a run go on without its lane, which waits. */
  hold(run: LaneRun, until: Promise<void>): void {
    const { lane } = run
    run.lane = undefined
    if (lane === undefined) return
    lane.run = 'committing'
    const goOn = (): void => {
      lane.run = undefined
      const head = lane.queue.peek()
      if (head) {
        this.#ready.push(head)
        this.#queueDrain()
      } else this.#discard(lane)
      this.#host.checkQuiet()
    }
    until.then(goOn, goOn)
  }

  end(run: LaneRun): void {
    this.running--
    this.active.delete(run.dispatch)
    this.#idleRuns.push(run)
  }

  readonly #nextSlice = (): void => {
    this.#sliceMarked = false
    this.#fresh = false
    this.#unread = 0
    const yielded = this.#yielded
    if (yielded.length === 0) return
    this.#yielded = []
    this.moving++
    for (const [index, resume] of yielded.entries()) {
      resume()
      // Those that got no turn this time are the first of the next.
      if (index + 1 < yielded.length && this.overdue()) {
        this.#yielded = [...yielded.slice(index + 1), ...this.#yielded]
        break
      }
    }
    this.moving--
    this.#host.checkQuiet()
  }

  #queueDrain(): void {
    if (this.#drainQueued || !this.#open || this.running >= this.#concurrency) return
    this.#drainQueued = true
    queueMicrotask(this.#drain)
  }

  readonly #drain = (): void => {
    this.#drainQueued = false
    this.moving++
    let lane: Lane | undefined
    while (this.#open && this.running < this.#concurrency && (lane = this.#next(undefined))) {
      this.running++
      const run = this.#idleRuns.pop() ?? new LaneRun(this, this.#host, this.#dispatchHost)
      this.active.add(run.dispatch)
      run.go(lane)
    }
    this.moving--
    this.#host.checkQuiet()
  }

  #discard(lane: Lane): void {
    if (lane.key === undefined) return
    this.#lanes.delete(this.#resting?.key as string)
    this.#latest = this.#resting = lane
  }

  #endNested(dispatch: Dispatch): void {
    this.active.delete(dispatch)
    void this.#host.settle(dispatch)
    dispatch.release()
  }
}

/** One slot at work: it handles the events of a lane one after another, and then those of the next. */
export class LaneRun {
  readonly dispatch: Dispatch
  readonly #lanes: Lanes
  readonly #host: LanesHost
  lane: Lane | undefined = undefined

  constructor(lanes: Lanes, host: LanesHost, dispatchHost: DispatchHost) {
    this.#lanes = lanes
    this.#host = host
    this.dispatch = new Dispatch(dispatchHost, () => this.#go(true))
  }

  go(lane: Lane): void {
    this.lane = lane
    lane.run = this
    this.#go(false)
  }

  readonly #go = (settled: boolean): void => {
    this.#lanes.moving++
    this.#loop(settled)
    this.#lanes.moving--
    this.#host.checkQuiet()
  }

  #loop(settled: boolean): void {
    for (;;) {
      if (settled) {
        const written = this.#host.settle(this.dispatch)
        this.dispatch.release()
        if (written !== undefined) this.#lanes.hold(this, written)
      }
      if (this.#lanes.overdue()) return this.#lanes.yield(() => this.#go(false))
      const delivery = this.#lanes.take(this)
      if (delivery === undefined) return this.#lanes.end(this)
      settled = this.#host.begin(delivery, this.dispatch)
      if (!settled) return
    }
  }
}

const isNoHead = (delivery: Delivery): boolean =>
  delivery.state !== 'waiting' || delivery.lane!.run !== undefined || delivery.lane!.queue.peek() !== delivery
