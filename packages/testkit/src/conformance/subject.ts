import type {
  Appended,
  ApprovalStore,
  Claimed,
  ClaimedEvent,
  ClaimRequest,
  ClaimType,
  DeadLetter,
  DeadLetterStore,
  EventStore,
  Inspectable,
  Lease,
  NewEvent,
  Persistence,
  Report,
  Reported,
  Tended,
} from '@buslane/core'
import { CheckFailedError, expectEqual, present } from './expect.ts'
import type { OpenStore, OpenTransaction } from './harness.ts'
import { HANDLED } from './sketches.ts'

export type Stored = Extract<Appended, { status: 'stored' }>

/** The store under check, with short words for what checks say often. Every verb is one call of the store's own. */
export class Subject {
  readonly slackMs: number
  readonly #opened: OpenStore
  readonly #persistence: Persistence
  /** All that must be closed in the end. */
  readonly #instances: EventStore[]

  constructor(
    opened: OpenStore,
    slackMs: number,
    persistence: Persistence = opened.persistence,
    instances: EventStore[] = [],
  ) {
    this.#opened = opened
    this.slackMs = slackMs
    this.#persistence = persistence
    this.#instances = instances
  }

  get events(): EventStore {
    return present('the `events` part of the persistence', this.#persistence.events)
  }

  get deadLetters(): DeadLetterStore {
    return present('the `deadLetters` part of the persistence', this.#persistence.deadLetters)
  }

  get approvals(): ApprovalStore {
    return present('the `approvals` part of the persistence', this.#persistence.approvals)
  }

  get inspect(): Inspectable {
    return present('the `inspect` part of the persistence', this.#persistence.inspect)
  }

  get leaseMs(): number {
    return this.events.settings.leaseMs
  }

  async open(): Promise<this> {
    this.#instances.push(this.events)
    await this.events.open()
    return this
  }

  // -- workers

  async join(name = 'checks'): Promise<string> {
    return (await this.events.join({ name })).worker
  }

  // -- in

  /** Stores all in one append; fails if one is a duplicate. */
  async append(...events: readonly NewEvent[]): Promise<readonly Stored[]> {
    return (await this.events.append(events, undefined)).map(stored)
  }

  async appendBy(worker: string, ...events: readonly NewEvent[]): Promise<readonly Stored[]> {
    return (await this.events.append(events, worker)).map(stored)
  }

  /** Stores one. */
  async appendOne(event: NewEvent): Promise<Stored> {
    return present('what was appended', (await this.append(event))[0])
  }

  /** Stores any number, in as many appends as the store's batch size makes of it. */
  async appendMany(events: readonly NewEvent[]): Promise<readonly Stored[]> {
    const all: Stored[] = []
    for (const batch of inBatches(events, this.events.settings.batchSize)) all.push(...(await this.append(...batch)))
    return all
  }

  // -- out

  claimRequest(worker: string, changes: Partial<ClaimRequest> = {}): ClaimRequest {
    return { worker, types: HANDLED, limit: 100, start: 0, laneLimit: 100, serialLimit: 100, ...changes }
  }

  async claim(worker: string, changes?: Partial<ClaimRequest>): Promise<Claimed> {
    return await this.events.claim(this.claimRequest(worker, changes))
  }

  /** Claims, and gives the ids of the messages in the order of the answer. */
  async claimIds(worker: string, changes?: Partial<ClaimRequest>): Promise<string[]> {
    return idsOf((await this.claim(worker, changes)).events)
  }

  /** Claims what must be exactly one event. */
  async claimOne(worker: string, changes?: Partial<ClaimRequest>): Promise<ClaimedEvent> {
    const { events } = await this.claim(worker, changes)
    expectEqual('how many events the claim gives', events.length, 1)
    return present('the claimed event', events[0])
  }

  /** Claims until nothing more comes, in claims of `changes.limit`. */
  async claimAll(worker: string, changes?: Partial<ClaimRequest>): Promise<ClaimedEvent[]> {
    const all: ClaimedEvent[] = []
    for (;;) {
      const { events } = await this.claim(worker, changes)
      all.push(...events)
      if (events.length === 0) return all
    }
  }

  // -- reports

  async report(report: Report): Promise<Reported> {
    const answers = await this.events.report([report])
    expectEqual('how many answers one report gets', answers.length, 1)
    return present('the answer', answers[0])
  }

  /** Reports what must be answered `ok`. */
  async settle(report: Report): Promise<Reported> {
    const answer = await this.report(report)
    expectEqual(`the answer to \`${report.kind}\``, answer.status, 'ok')
    return answer
  }

  async complete(...leases: readonly Lease[]): Promise<void> {
    for (const batch of inBatches(leases, this.events.settings.batchSize)) {
      const answers = await this.events.report(batch.map((lease) => ({ kind: 'complete', lease })))
      expectEqual(
        'the answers to `complete`',
        answers.map(({ status }) => status),
        batch.map(() => 'ok'),
      )
    }
  }

  // -- time

  async passTime(ms: number): Promise<void> {
    await this.#opened.passTime(ms)
  }

  async ready(types: readonly ClaimType[] = HANDLED): Promise<Tended> {
    return await this.events.ready(types)
  }

  /** Lets the leases of all workers run out but of those named, which are heard of meanwhile. Nobody is rescued yet. */
  async outliveLeases(options: { readonly butOf?: readonly string[] } = {}): Promise<void> {
    await this.passTime(this.leaseMs - this.slackMs - 1)
    for (const worker of options.butOf ?? [])
      expectEqual('the answer to a heartbeat', await this.events.heartbeat(worker), 'ok')
    await this.passTime(this.slackMs + 2)
  }

  /** As if the processes of all workers had been killed, but of those named, and found dead. */
  async killWorkers(options: { readonly butOf?: readonly string[] } = {}): Promise<Tended> {
    await this.outliveLeases(options)
    return await this.events.sweep()
  }

  // -- what only some stores have

  /** So many stores on the same data: instances of their own where the harness has them, else this one. */
  async instances(count: number): Promise<Subject[]> {
    if (this.#opened.connect === undefined) return Array.from({ length: count }, () => this)
    return [this, ...(await Promise.all(Array.from({ length: count - 1 }, () => this.connect())))]
  }

  async connect(options: { readonly timeZone?: string } = {}): Promise<Subject> {
    const connect = present('`connect` of the harness', this.#opened.connect?.(options))
    return await this.#on(await connect)
  }

  async restart(): Promise<Subject> {
    return await this.#on(await present('`restart` of the harness', this.#opened.restart?.()))
  }

  async begin(): Promise<OpenTransaction> {
    return await present('`begin` of the harness', this.#opened.begin?.())
  }

  skewProcessClock(ms: number): void {
    if (this.#opened.skewProcessClock === undefined)
      throw new CheckFailedError('`skewProcessClock`', undefined, 'there')
    this.#opened.skewProcessClock(ms)
  }

  /** Every dead letter, oldest first, page by page. */
  async letters(): Promise<DeadLetter[]> {
    const all: DeadLetter[] = []
    let cursor: string | undefined
    do {
      const page = await this.deadLetters.list({ cursor })
      all.push(...page.entries)
      cursor = page.next
    } while (cursor !== undefined)
    return all
  }

  async close(): Promise<void> {
    for (const events of this.#instances) await events.close()
  }

  async #on(persistence: Persistence): Promise<Subject> {
    return await new Subject(this.#opened, this.slackMs, persistence, this.#instances).open()
  }
}

export function idsOf(claimed: readonly ClaimedEvent[]): string[] {
  return claimed.map(({ message }) => message.id)
}

export function inBatches<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  )
}

function stored(appended: Appended): Stored {
  if (appended.status === 'stored') return appended
  throw new CheckFailedError('the answer to an append', appended, 'stored')
}
