import type { ClaimRequest, NewEvent, Report, StoredState } from '@buslane/core'

/** An event as the model has it. `completed`, `cancelled` and `buried` ones are kept, so that none gets lost unseen. */
export interface ModelEvent {
  readonly id: string
  readonly seq: number
  readonly type: string
  readonly lane: string | undefined
  readonly onCrash: 'retry' | 'fail'
  readonly orderKey: number
  owner: string | undefined
  state: StoredState | 'completed' | 'cancelled' | 'buried'
  dueAt: number
  holdsLane: boolean
  begun: boolean
  holder: string | undefined
  started: boolean
  unreported: number
}

/** The store as one list that is searched from end to end: too slow to use, too simple to be wrong. */
export class Model {
  readonly events: ModelEvent[] = []
  readonly workers: Map<string, number> = new Map()
  readonly #leaseMs: number

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs
  }

  beat(worker: string, now: number): void {
    this.workers.set(worker, now + this.#leaseMs)
  }

  /** What of the new event is kept: `started` if it is started too. */
  append(event: NewEvent, now: number, worker: string): 'ready' | 'kept' | 'started' {
    this.readyDue(now)
    const lives = this.workers.has(worker)
    const dueAt = event.due && 'delayMs' in event.due ? now + event.due.delayMs : now
    const lane = this.events.filter((other) => other.lane === event.lane && event.lane !== undefined)
    const held = lane.filter(({ state }) => state === 'running')
    const isFree = !lane.some(({ state, holdsLane }) => state === 'ready' || holdsLane)
    const keeps = lives && event.keep && dueAt <= now && isFree && held.every(({ holder }) => holder === worker)
    const starts = keeps && event.keep?.start !== undefined && held.length === 0
    this.events.push({
      id: event.message.id,
      seq: this.events.length,
      type: event.message.type,
      lane: event.lane,
      onCrash: event.onCrash,
      orderKey: Math.max(now, dueAt) + (event.orderOffsetMs ?? 0),
      owner: event.mine && lives ? worker : undefined,
      state: keeps ? 'running' : dueAt <= now ? 'ready' : 'scheduled',
      dueAt,
      holdsLane: false,
      begun: false,
      holder: keeps ? worker : undefined,
      started: starts === true,
      unreported: starts ? 1 : 0,
    })
    return starts ? 'started' : keeps ? 'kept' : 'ready'
  }

  readyDue(now: number): void {
    for (const event of this.events) {
      if (event.state === 'scheduled' && event.dueAt <= now) Object.assign(event, { state: 'ready', holdsLane: false })
    }
  }

  readyUnhandled(types: readonly string[]): void {
    for (const event of this.events) {
      if (event.state === 'unhandled' && types.includes(event.type)) event.state = 'ready'
    }
  }

  /** The events of the answer, with whether they are started. */
  claim({ worker, types, limit, start, laneLimit }: ClaimRequest, now: number): [id: string, started: boolean][] {
    if (!this.workers.has(worker)) return []
    this.readyDue(now)
    this.readyUnhandled(types.map(({ type }) => type))
    const answer: [string, boolean][] = []
    for (;;) {
      const next = this.events
        .filter((event) => this.#isOpen(event, worker))
        .filter(({ type }) => types.find((known) => known.type === type)?.paused !== true)
        .filter(({ type, lane }) => !types.some((known) => known.type === type) || this.#held(lane).length < laneLimit)
        .sort((a, b) => a.orderKey - b.orderKey || a.seq - b.seq)[0]
      if (!next) return answer
      if (!types.some((known) => known.type === next.type)) next.state = 'unhandled'
      else if (answer.length >= limit) return answer
      else {
        const starts = answer.filter(([, started]) => started).length < start && this.#held(next.lane).length === 0
        Object.assign(next, { state: 'running', holder: worker, started: starts })
        if (starts) next.unreported++
        answer.push([next.id, starts])
      }
    }
  }

  report(event: ModelEvent, { kind, ...report }: Report, now: number): void {
    const later =
      'delayMs' in report ? { state: report.delayMs > 0 ? 'scheduled' : 'ready', dueAt: now + report.delayMs } : {}
    const left = { holder: undefined, started: false }
    if (kind === 'start') event.unreported++
    else event.unreported = 0
    const changes: Record<Report['kind'], Partial<ModelEvent>> = {
      start: { started: true },
      progress: {},
      complete: { ...left, state: 'completed' },
      retry: {
        ...left,
        ...(later as object),
        begun: true,
        holdsLane: event.lane !== undefined && 'delayMs' in report && report.delayMs > 0,
      },
      release: {
        ...left,
        state: 'ready',
        begun: event.begun || ('progress' in report && report.progress !== undefined),
      },
      defer: { ...left, ...(later as object) },
      undecodable: { ...left, state: 'undecodable' },
      dead: { ...left, state: 'buried' },
    }
    Object.assign(event, changes[kind])
  }

  sweep(now: number): void {
    for (const [worker, leaseUntil] of this.workers) if (leaseUntil < now) this.end(worker)
  }

  end(worker: string): void {
    this.workers.delete(worker)
    const mayHaveBegun = new Set(this.events.filter((event) => event.holder === worker && this.#mayHaveBegun(event)))
    for (const event of this.events) {
      if (event.owner === worker) event.owner = undefined
      if (event.holder !== worker) continue
      const begins = mayHaveBegun.has(event)
      const gone = event.started && (event.onCrash === 'fail' || (begins && event.unreported >= 10))
      if (event.started && !begins) event.unreported = Math.max(0, event.unreported - 1)
      event.begun ||= begins
      Object.assign(event, { state: gone ? 'buried' : 'ready', holder: undefined, started: false })
    }
  }

  /** Started, and in its lane no other can be the one that has begun. */
  #mayHaveBegun(event: ModelEvent): boolean {
    if (!event.started || event.lane === undefined) return event.started
    const lane = this.events.filter((other) => other.lane === event.lane)
    if (lane.some((other) => other.holdsLane || (other.state === 'ready' && other.begun))) return false
    const started = lane.filter((other) => other.state === 'running' && other.started)
    return started.every((other) => other === event || goesFirst(event, other))
  }

  #held(lane: string | undefined): ModelEvent[] {
    return lane === undefined ? [] : this.events.filter((event) => event.lane === lane && event.state === 'running')
  }

  /** Ready, and first of a lane that this worker may have. */
  #isOpen(event: ModelEvent, worker: string): boolean {
    if (event.state !== 'ready' || (event.owner !== undefined && event.owner !== worker)) return false
    if (event.lane === undefined) return true
    const lane = this.events.filter((other) => other.lane === event.lane)
    const head = lane.filter(({ state }) => state === 'ready').sort((a, b) => (goesFirst(a, b) ? -1 : 1))[0]
    return (
      head === event &&
      this.#held(event.lane).every(({ holder }) => holder === worker) &&
      !lane.some(({ holdsLane }) => holdsLane)
    )
  }
}

/** In a lane. */
const goesFirst = (a: ModelEvent, b: ModelEvent): boolean =>
  (Number(b.begun) - Number(a.begun) || a.orderKey - b.orderKey || a.seq - b.seq) < 0
