import { BusError, type Clock, type ClockTimer, type EventMessage, type Page, type StoredMessage } from '@buslane/core'
import { invalid } from './errors.ts'
import type { Consequence, Keeper, Kept, KeptQuery } from './keeper.ts'
import { type ApprovalRecord, isFinal } from './record.ts'

interface MemoryKeeperHost {
  readonly clock: Clock
  /** How many are kept at most. */
  readonly capacity: number
  tell(event: EventMessage): void
  run(command: StoredMessage): void
  expire(approvalId: string): void
}

interface Row {
  readonly seq: number
  readonly record: ApprovalRecord
  readonly revision: number
  readonly addedAt: number
  /** By the monotonic clock. */
  readonly dueAt: number
}

/** What timers can count to. */
const MAX_TIMER_MS = 2 ** 31 - 1
const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1000

/** Keeps approvals in this process, and no longer than it. */
export class MemoryKeeper implements Keeper {
  readonly isDurable = false
  readonly lookEveryMs = undefined
  /** Settled ones that left to make room. */
  dropped = 0
  readonly #host: MemoryKeeperHost
  readonly #rows = new Map<string, Row>()
  readonly #timers = new Map<string, ClockTimer>()
  #seq = 0

  constructor(host: MemoryKeeperHost) {
    this.#host = host
  }

  get size(): number {
    return this.#rows.size
  }

  /** How many are not settled. */
  get open(): number {
    let open = 0
    for (const { record } of this.#rows.values()) if (!isFinal(record.state)) open++
    return open
  }

  async add(record: ApprovalRecord, then: readonly Consequence[]): Promise<'added' | 'exists'> {
    const { id } = record.message
    const { clock } = this.#host
    if (this.#rows.has(id)) return 'exists'
    this.#makeRoom()
    const { expiresInMs = Infinity } = record.terms
    const dueAt = clock.monotonic() + expiresInMs
    this.#rows.set(id, { seq: ++this.#seq, record, revision: 1, addedAt: clock.now(), dueAt })
    this.#follow(then)
    return 'added'
  }

  async get(id: string): Promise<Kept | undefined> {
    const row = this.#rows.get(id)
    return row && this.#read(row)
  }

  async list(query: KeptQuery): Promise<Page<Kept>> {
    const { status, type, sessionId, limit = DEFAULT_LIMIT, cursor = '0' } = query
    const after = Number(cursor)
    if (!(Number.isInteger(limit) && limit >= 1)) throw invalid(`limit must be a whole number from 1, not ${limit}`)
    if (!Number.isInteger(after)) throw invalid(`cursor must be the 'next' of an earlier page, not '${cursor}'`)
    const found = [...this.#rows.values()].filter(
      ({ seq, record: { message, state } }) =>
        seq > after &&
        (status === undefined || state.is === status) &&
        (type === undefined || message.type === type) &&
        (sessionId === undefined || message.sessionId === sessionId),
    )
    const page = found.slice(0, Math.min(limit, MAX_LIMIT))
    const next = found.length > page.length ? String(page.at(-1)!.seq) : undefined
    return { entries: page.map((row) => this.#read(row)), next }
  }

  async update({ revision }: Kept, record: ApprovalRecord, then: readonly Consequence[]): Promise<boolean> {
    const { id } = record.message
    const row = this.#rows.get(id)
    if (row?.revision !== revision) return false
    this.#rows.set(id, { ...row, record, revision: revision + 1 })
    if (record.state.is !== 'pending') this.#clear(id)
    this.#follow(then)
    return true
  }

  async discard({ record, revision }: Kept): Promise<boolean> {
    const { id } = record.message
    return this.#rows.get(id)?.revision === revision && this.#rows.delete(id)
  }

  onHint(): Disposable {
    return { [Symbol.dispose]: () => {} }
  }

  start(): void {
    for (const [id, { record }] of this.#rows) if (record.state.is === 'pending') this.#watch(id)
  }

  async stop(): Promise<void> {
    for (const id of this.#timers.keys()) this.#clear(id)
  }

  #makeRoom(): void {
    if (this.#rows.size < this.#host.capacity) return
    for (const [id, { record }] of this.#rows) {
      if (!isFinal(record.state)) continue
      this.#rows.delete(id)
      this.dropped++
      return
    }
    throw new BusError(
      'APPROVALS_FULL',
      `${this.#host.capacity} approvals wait in memory, and no more may. Decide some, or give the bus a persistence that keeps approvals`,
    )
  }

  #follow(then: readonly Consequence[]): void {
    for (const one of then) {
      if (one.is === 'tell') this.#host.tell(one.event)
      else if (one.is === 'run') this.#host.run(one.command)
      else this.#watch(one.approvalId)
    }
  }

  #watch(id: string): void {
    const { clock } = this.#host
    const row = this.#rows.get(id)
    this.#clear(id)
    if (!row || row.dueAt === Infinity) return
    const leftMs = Math.max(0, row.dueAt - clock.monotonic())
    const fired = (): void => {
      this.#timers.delete(id)
      if (leftMs > MAX_TIMER_MS) this.#watch(id)
      else this.#host.expire(id)
    }
    this.#timers.set(id, clock.setTimer(fired, Math.min(leftMs, MAX_TIMER_MS)))
  }

  #clear(id: string): void {
    this.#host.clock.clearTimer(this.#timers.get(id))
    this.#timers.delete(id)
  }

  #read({ record, revision, addedAt, dueAt }: Row): Kept {
    const { clock } = this.#host
    return { record, revision, addedAt, readAt: clock.now(), isOverdue: clock.monotonic() >= dueAt }
  }
}
