import {
  type ApprovalStore,
  BusError,
  type EventStore,
  type NewEvent,
  type Page,
  type StoredApproval,
} from '@buslane/core'
import { storeMessage } from '@buslane/core/store-runner'
import { ApprovalDue } from './events.ts'
import type { Consequence, Keeper, Kept, KeptQuery } from './keeper.ts'
import type { ApprovalRecord } from './record.ts'

interface StoredKeeperHost {
  readonly approvals: ApprovalStore
  /** That of the bus: what follows from a decision is claimed from it. */
  readonly events: EventStore
  /** Whether somebody handles events of the type: others are not stored, since nobody would take them away. */
  hears(type: string): boolean
  /** Something is in the event store for later. */
  look(): void
}

/** Keeps approvals in a store. Each change and what follows from it is one commit. */
export class StoredKeeper implements Keeper {
  readonly isDurable: boolean
  readonly lookEveryMs: number
  readonly #host: StoredKeeperHost
  #opened: Promise<void> | undefined

  constructor(host: StoredKeeperHost) {
    this.#host = host
    this.isDurable = host.approvals.durable
    this.lookEveryMs = host.events.settings.pollMs
  }

  async add(record: ApprovalRecord, then: readonly Consequence[]): Promise<'added' | 'exists'> {
    await this.#open()
    const { id, type, sessionId } = record.message
    const facts = { id, type, sessionId, status: record.state.is, record: JSON.stringify(record) }
    const answer = await this.#host.approvals.add(facts, this.#eventsOf(then))
    if (then.some(({ is }) => is === 'expire')) this.#host.look()
    return answer
  }

  async get(id: string): Promise<Kept | undefined> {
    await this.#open()
    const stored = await this.#host.approvals.get(id)
    return stored && keptOf(stored)
  }

  async list(query: KeptQuery): Promise<Page<Kept>> {
    await this.#open()
    const { entries, next } = await this.#host.approvals.list(query)
    return { entries: entries.map(keptOf), next }
  }

  async update({ revision }: Kept, record: ApprovalRecord, then: readonly Consequence[]): Promise<boolean> {
    await this.#open()
    const change = { status: record.state.is, record: JSON.stringify(record) }
    const at = { id: record.message.id, revision }
    return (await this.#host.approvals.update(at, change, this.#eventsOf(then))) === 'updated'
  }

  async discard({ record, revision }: Kept): Promise<boolean> {
    await this.#open()
    return (await this.#host.approvals.discard({ id: record.message.id, revision })) === 'discarded'
  }

  onHint(listener: () => void): Disposable {
    return this.#host.approvals.onHint?.(listener) ?? { [Symbol.dispose]: () => {} }
  }

  start(): void {}

  async stop(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    if (opened && (await opened.then(isTrue, () => false))) await this.#host.events.close()
  }

  /** A process that only decides may never start its bus, and a command may be executed before the start. */
  #open(): Promise<void> {
    if (!this.#opened) {
      const opening = this.#host.events.open()
      this.#opened = opening
      opening.catch(() => {
        if (this.#opened === opening) this.#opened = undefined
      })
    }
    return this.#opened
  }

  #eventsOf(then: readonly Consequence[]): readonly NewEvent[] {
    const { codec } = this.#host.events
    return then.flatMap((one): NewEvent[] => {
      switch (one.is) {
        case 'run':
          return [newEvent(one.command)]
        case 'expire': {
          const due = ApprovalDue({ approvalId: one.approvalId })
          return [newEvent(storeMessage(due, undefined, codec), { delayMs: one.afterMs })]
        }
        case 'tell':
          return this.#host.hears(one.event.type) ? [newEvent(storeMessage(one.event, undefined, codec))] : []
      }
    })
  }
}

const isTrue = (): true => true

/**
 * In no lane: whoever waits for the approval may hold the lane that it would be in. The record says what becomes of a run that was
 * interrupted, so for the event store every command may be begun again.
 */
const newEvent = (message: NewEvent['message'], due?: NewEvent['due']): NewEvent => ({
  message,
  lane: undefined,
  serial: false,
  priority: 50,
  orderOffsetMs: 0,
  due,
  expiresInMs: undefined,
  idempotencyKey: undefined,
  onCrash: 'retry',
  keep: undefined,
  mine: false,
})

const keptOf = ({ record: text, revision, addedAt, readAt }: StoredApproval): Kept => {
  const record = JSON.parse(text) as ApprovalRecord
  const { format, message, terms } = record
  if (format !== 1) {
    throw new BusError(
      'UNKNOWN_VERSION',
      `Approval ${message?.id} was written by a newer @buslane/approvals. Deploy it here, too`,
      {
        retryable: false,
      },
    )
  }
  const { expiresInMs = Infinity } = terms
  return { record, revision, addedAt, readAt, isOverdue: readAt - addedAt >= expiresInMs }
}
