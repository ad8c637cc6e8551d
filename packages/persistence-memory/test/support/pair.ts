import assert from 'node:assert/strict'
import type { Lease, Report } from '@buslane/core'
import fc from 'fast-check'
import { Model, type ModelEvent } from './model.ts'
import { anError, claimType, newEvent, Store, type StoredAppended } from './store.ts'

const TYPES = ['a', 'b', 'c']

const appendStep = fc.record({
  does: fc.constant('append' as const),
  worker: fc.nat(2),
  events: fc.array(
    fc.record({
      type: fc.constantFrom(...TYPES),
      lane: fc.constantFrom('x', 'y', undefined),
      orderOffsetMs: fc.integer({ min: -3_000, max: 3_000 }),
      due: fc.option(fc.record({ delayMs: fc.nat(3_000) }), { nil: undefined, freq: 3 }),
      onCrash: fc.constantFrom('retry' as const, 'fail' as const),
      keep: fc.constantFrom(undefined, undefined, { start: undefined }, { start: ['ship'] }),
      mine: fc.boolean(),
    }),
    { minLength: 1, maxLength: 5 },
  ),
})

const claimStep = fc.record({
  does: fc.constant('claim' as const),
  worker: fc.nat(2),
  known: fc.subarray(TYPES, { minLength: 1 }),
  paused: fc.constantFrom(undefined, undefined, ...TYPES),
  limit: fc.nat(6),
  start: fc.nat(3),
  laneLimit: fc.integer({ min: 1, max: 4 }),
})

const reportStep = fc.record({
  does: fc.constant('report' as const),
  lease: fc.nat(100),
  kind: fc.constantFrom<Report['kind'][]>(
    ...(['start', 'progress', 'complete', 'complete', 'retry', 'release', 'defer', 'undecodable', 'dead'] as const),
  ),
  delayMs: fc.nat(3_000),
})

const otherStep = fc.record({
  does: fc.constantFrom('advance', 'sweep', 'leave', 'cancel', 'heartbeat', 'restore'),
  value: fc.nat(3_000),
})

type Of<Arbitrary> = Arbitrary extends fc.Arbitrary<infer Value> ? Value : never
type Step = Of<typeof appendStep> | Of<typeof claimStep> | Of<typeof reportStep> | Of<typeof otherStep>

/** What may happen to a store. */
export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: appendStep },
    { weight: 5, arbitrary: claimStep },
    { weight: 5, arbitrary: reportStep },
    { weight: 4, arbitrary: otherStep },
  ),
  { maxLength: 60, size: 'max' },
)

const reportOf = (kind: Report['kind'], lease: Lease, delayMs: number): Report => ({
  kind,
  lease,
  delayMs,
  handlers: ['ship'],
  progress: {},
  error: anError(),
  reason: 'failed',
})

/** A store and its model, taken through the same steps. */
export class Pair {
  readonly store = new Store()
  readonly model = new Model(5_000)
  /** Every lease there ever was: most of them are stale. */
  readonly leases: Lease[] = []
  readonly #workers: string[] = []
  readonly #events = new Map<string, ModelEvent>()
  readonly #current = new Map<string, Lease>()
  #names = 0

  get now(): number {
    return this.store.clock.now()
  }

  async worker(index: number): Promise<string> {
    const old = this.#workers[index]
    if (old !== undefined && this.model.workers.has(old)) return old
    const worker = await this.store.join()
    this.#workers[index] = worker
    this.model.beat(worker, this.now)
    return worker
  }

  /** Takes both through a step, and compares them. */
  async run(step: Step): Promise<void> {
    if (step.does === 'append') await this.append(step)
    else if (step.does === 'claim') await this.claim(step)
    else if (step.does === 'report') await this.report(step)
    else await this.other(step)
    await this.compare()
    this.expectExclusiveLanes()
  }

  async append(step: Extract<Step, { does: 'append' }>): Promise<void> {
    const worker = await this.worker(step.worker)
    const events = step.events.map((event) => newEvent(`e${this.#names++}`, event))
    const stored = (await this.store.events.append(events, worker)) as StoredAppended[]
    for (const [index, { key, lease, started }] of stored.entries()) {
      const event = events[index]!
      assert.equal(started ? 'started' : lease ? 'kept' : 'ready', this.model.append(event, this.now, worker))
      this.#events.set(key, this.model.events.at(-1)!)
      if (lease) this.#lease(lease)
    }
  }

  async claim({ known, paused, ...step }: Extract<Step, { does: 'claim' }>): Promise<void> {
    const types = known.map((type) => claimType(type, { paused: type === paused }))
    const request = { ...step, worker: await this.worker(step.worker), types, serialLimit: 100 }
    const { events } = await this.store.events.claim(request)
    const before = new Map(this.model.events.map((event) => [event.id, event.begun]))
    assert.deepEqual(
      events.map(({ message, started }) => [message.id, started]),
      this.model.claim(request, this.now),
    )
    for (const { lease, message, orderKey } of events) {
      this.#lease(lease)
      assert.equal(orderKey === -Infinity, before.get(message.id))
    }
  }

  async report({ lease: index, kind, delayMs }: Extract<Step, { does: 'report' }>): Promise<void> {
    const lease = this.leases[this.leases.length - 1 - (index % Math.max(1, this.leases.length))]
    if (!lease) return
    const event = this.#events.get(lease.key)!
    const valid = event.state === 'running' && this.#current.get(lease.key) === lease
    const [answer] = await this.store.events.report([reportOf(kind, lease, delayMs)])
    assert.equal(answer!.status, valid ? 'ok' : 'lost')
    if (valid) this.model.report(event, reportOf(kind, lease, delayMs), this.now)
  }

  async other(step: Extract<Step, { value: number }>): Promise<void> {
    const { store, model, now } = this
    switch (step.does) {
      case 'advance':
        return store.clock.advance(step.value)
      case 'sweep':
        await store.events.sweep()
        return model.sweep(now)
      case 'heartbeat': {
        const worker = await this.worker(step.value % 3)
        await store.events.heartbeat(worker)
        return model.beat(worker, now)
      }
      case 'leave': {
        const worker = await this.worker(step.value % 3)
        await store.events.leave(worker)
        return model.end(worker)
      }
      case 'cancel': {
        const key = [...this.#events.keys()].at(-1 - (step.value % 10))
        const event = this.#events.get(key ?? '')
        if (!event || key === undefined) return
        const can = ['scheduled', 'ready', 'unhandled', 'undecodable'].includes(event.state)
        assert.equal(await store.events.cancel(key), can ? 'cancelled' : 'too-late')
        if (can) Object.assign(event, { state: 'cancelled', holdsLane: false })
        return
      }
      case 'restore':
        store.persistence.restore(JSON.parse(JSON.stringify(store.persistence.snapshot())))
        for (const worker of model.workers.keys()) model.end(worker)
        for (const event of model.events) event.owner = undefined
    }
  }

  /** Every event is in exactly one place, and it is the one where the model has it. */
  async compare(): Promise<void> {
    const { entries } = await this.store.persistence.inspect.list({ limit: 1_000 })
    const letters = (await this.store.persistence.deadLetters!.list({ limit: 1_000 })).entries
    const stored = this.model.events.filter(({ state }) => !['completed', 'cancelled', 'buried'].includes(state))
    assert.deepEqual(
      entries.map(({ message, state, worker }) => [message.id, state, worker]),
      stored.map(({ id, state, holder }) => [id, state, holder]),
    )
    assert.deepEqual(
      letters.map(({ message }) => message.id).sort(),
      this.model.events
        .filter(({ state }) => state === 'buried')
        .map(({ id }) => id)
        .sort(),
    )
    const counts: Record<string, unknown> = { ...(await this.store.persistence.inspect.counts()) }
    for (const state of ['scheduled', 'ready', 'running', 'unhandled', 'undecodable']) {
      assert.deepEqual([state, counts[state]], [state, stored.filter((event) => event.state === state).length])
    }
  }

  /** R-LANE-3: a lane is held by one worker. */
  expectExclusiveLanes(): void {
    for (const lane of ['x', 'y']) {
      const holders = this.model.events.filter((event) => event.lane === lane && event.state === 'running')
      assert(new Set(holders.map(({ holder }) => holder)).size <= 1)
    }
  }

  #lease(lease: Lease): void {
    this.leases.push(lease)
    this.#current.set(lease.key, lease)
  }
}
