import type {
  Appended,
  Claimed,
  ClaimedEvent,
  ClaimRequest,
  ClaimType,
  Lease,
  NewEvent,
  Progress,
  StoredMessage,
} from '@buslane/core'
import { memoryPersistence, type MemoryPersistence, type MemoryPersistenceOptions } from '../../src/index.ts'
import { ManualClock } from './manual-clock.ts'

export type StoredAppended = Extract<Appended, { readonly status: 'stored' }>

export const message = (id: string, over: Partial<StoredMessage> = {}): StoredMessage => ({
  kind: 'event',
  id,
  type: 'order.placed',
  version: 1,
  sessionId: 'BUS',
  payload: `{"id":"${id}"}`,
  headers: '{}',
  ...over,
})

/** An event to append: due at once, without a lane, in the order of arrival. */
export const newEvent = (id: string, over: Partial<NewEvent> & { readonly type?: string } = {}): NewEvent => {
  const { type = 'order.placed', ...rest } = over
  return {
    message: message(id, { type }),
    lane: undefined,
    serial: false,
    priority: 50,
    orderOffsetMs: 0,
    due: undefined,
    expiresInMs: undefined,
    idempotencyKey: undefined,
    onCrash: 'retry',
    keep: undefined,
    mine: false,
    ...rest,
  }
}

export const claimType = (type = 'order.placed', over: Partial<ClaimType> = {}): ClaimType => ({
  type,
  version: 1,
  handlers: ['ship'],
  ...over,
})

export const failed = (attempts = 1): Progress => ({ ship: { status: 'failed', attempts } })

export const anError = (text = 'no') => ({ name: 'Error', message: text, failedAt: 0 })

/** A store with a clock, and short words for what tests do with it. */
export class Store {
  readonly clock = new ManualClock()
  readonly persistence: MemoryPersistence

  constructor(options: MemoryPersistenceOptions = {}) {
    this.persistence = memoryPersistence({ clock: this.clock, ...options })
  }

  get events(): MemoryPersistence['events'] {
    return this.persistence.events
  }

  async join(name = 'bus'): Promise<string> {
    return (await this.events.join({ name })).worker
  }

  /** Appends, and gives what was stored. */
  async append(...events: NewEvent[]): Promise<StoredAppended[]> {
    return (await this.events.append(events, undefined)).map((one) => one as StoredAppended)
  }

  claim(worker: string, over: Partial<ClaimRequest> = {}): Promise<Claimed> {
    return this.events.claim({
      worker,
      types: [claimType()],
      limit: 100,
      start: 0,
      laneLimit: 10,
      serialLimit: 100,
      ...over,
    })
  }

  /** Claims one event that must be there. */
  async claimOne(worker: string, over: Partial<ClaimRequest> = {}): Promise<ClaimedEvent> {
    const { events } = await this.claim(worker, { limit: 1, ...over })
    if (!events[0]) throw new Error('Nothing could be claimed')
    return events[0]
  }

  async ids(worker: string, over: Partial<ClaimRequest> = {}): Promise<string[]> {
    return (await this.claim(worker, over)).events.map(({ message: { id } }) => id)
  }

  async complete(lease: Lease): Promise<'ok' | 'lost'> {
    return (await this.events.report([{ kind: 'complete', lease }]))[0]!.status
  }

  async letters() {
    return (await this.persistence.deadLetters!.list()).entries
  }

  /** A worker that never comes back: its lease runs out and is swept. */
  async crash(...workers: string[]): Promise<void> {
    this.clock.advance(this.events.settings.leaseMs + 1)
    void workers
    await this.events.sweep()
  }
}
