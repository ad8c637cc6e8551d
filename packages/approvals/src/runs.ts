import {
  type Burial,
  BusError,
  type Clock,
  type HandlerRun,
  type Logger,
  type Message,
  type Observer,
  type RunContext,
  type StoredError,
} from '@buslane/core'
import { fromJson, storedError, toJson } from '@buslane/core/store-runner'
import { ApprovalError } from './errors.ts'
import { restoredError } from './restored-error.ts'
import type { Keeper } from './keeper.ts'
import { patiently } from './patience.ts'
import { type ApprovalRecord, isFinal } from './record.ts'
import { begin, type Beginning, bury, fail, settleFailure, succeed } from './run-states.ts'
import type { Waiters } from './waiters.ts'

interface RunsHost {
  readonly clock: Clock
  readonly logger: Logger
  readonly keeper: Keeper
  observe(observer: Observer): Disposable
  readonly waiters: Waiters
}

/** Whether this delivery was refused already: it is asked again where the answer of the store was lost. */
interface Given {
  refusal: boolean
}

type Change = (record: ApprovalRecord, at: number) => ApprovalRecord | undefined

/** Lets approved commands that come from the store run once, and writes down what becomes of them. */
export class Runs {
  readonly #host: RunsHost
  /** Of the last run for the same claim: what is tried again here was not interrupted. */
  readonly #tokens = new WeakMap<RunContext, string>()
  /** Failed runs of which nobody has said yet whether they are tried again, by id of the command. */
  readonly #undecided = new Map<string, (next: 'retry' | 'none') => void>()
  #observing: Disposable | undefined
  readonly #writing = new Set<Promise<void>>()
  /** Aborted when the bus stops: what cannot be written then is not tried again. */
  #stopping = new AbortController()

  constructor(host: RunsHost) {
    this.#host = host
  }

  /** Resolves when all that was to be written is written, or cannot be now. */
  async settled(): Promise<void> {
    this.#stopping.abort()
    this.#stopping = new AbortController()
    while (this.#writing.size > 0) await Promise.all(this.#writing)
  }

  /** Runs the handler of a stored command, if it may. */
  async run(message: Message, context: RunContext, run: HandlerRun): Promise<unknown> {
    const { clock } = this.#host
    const token = crypto.randomUUID()
    const given: Given = { refusal: false }
    const beginning = await patiently(clock, context.signal, () => this.#begin(message.id, token, context, given))
    // It is in the store for another reason: a dead letter that is replayed, of a command that needed nobody's yes.
    if (beginning === undefined) return await run(message, context)
    if (beginning.is === 'done') return beginning.value === undefined ? undefined : fromJson(beginning.value)
    if (beginning.is !== 'run') throw refusal(message, beginning)
    this.#tokens.set(context, token)
    let value: unknown
    try {
      value = await run(message, context)
    } catch (error) {
      // What is aborted says nothing about the command: whoever gets it next finds a run that did not end.
      if (!context.signal.aborted || isTimeout(context.signal.reason))
        await this.#failed(message, context, token, error)
      throw error
    }
    await this.#succeeded(message, context, token, value)
    return value
  }

  /** A stored message went to the dead letters. */
  buried({ message: { id, kind, type }, reason, error }: Burial): void {
    if (kind !== 'command') return
    const why = new BusError('HANDLER_FAILED', `The approved '${type}' was given up: ${reason}`)
    this.#write(id, (record, at) => bury(record, { at, error: error ?? storedError(why, at) }))
  }

  async #begin(id: string, token: string, context: RunContext, given: Given): Promise<Beginning | undefined> {
    const { keeper, waiters } = this.#host
    for (;;) {
      const kept = await keeper.get(id)
      if (!kept) return undefined
      const before = this.#tokens.get(context)
      const isFresh = context.attempts === 0 && !given.refusal
      const beginning = begin(kept.record, { token, at: kept.readAt, before, isFresh })
      if (beginning.is === 'interrupted' || beginning.is === 'given-up') given.refusal = true
      if (!('record' in beginning) || beginning.record === undefined) return beginning
      if (!(await keeper.update(kept, beginning.record, []))) continue
      waiters.changed(beginning.record)
      return beginning
    }
  }

  /** Never rejects: a command that ran must not be taken for one that failed, and be run again, because that cannot be written down. */
  async #succeeded(message: Message, context: RunContext, token: string, value: unknown): Promise<void> {
    const { id } = message
    const { waiters } = this.#host
    const text = this.#textOf(message, value)
    waiters.know(id, token, { value })
    const record = await this.#writeNow(id, context, (now, at) => succeed(now, { token, at, value: text }))
    if (record) waiters.changed(record)
    waiters.forget(id)
  }

  async #failed(message: Message, context: RunContext, token: string, error: unknown): Promise<void> {
    const { id } = message
    this.#host.waiters.know(id, token, { error })
    const failed: Change = (record, at) => fail(record, { token, at, error: storedError(error, at), next: 'unknown' })
    await this.#writeNow(id, context, failed)
    this.#undecided.set(id, (next) => this.#write(id, (record) => settleFailure(record, token, next)))
    this.#observing ??= this.#host.observe({
      attemptFailed: (told, _handler, { retryInMs }) =>
        this.#decided(told.id, retryInMs === undefined ? 'none' : 'retry'),
      handlerSettled: (told) => this.#forget(told.id),
    })
  }

  #decided(id: string, next: 'retry' | 'none'): void {
    const write = this.#undecided.get(id)
    if (!this.#stopObserving(id)) return
    if (next === 'retry') this.#host.waiters.forget(id)
    write?.(next)
  }

  /** It was ended before anybody decided. */
  #forget(id: string): void {
    if (this.#stopObserving(id)) this.#host.waiters.forget(id)
  }

  #stopObserving(id: string): boolean {
    if (!this.#undecided.delete(id)) return false
    if (this.#undecided.size === 0) {
      this.#observing?.[Symbol.dispose]()
      this.#observing = undefined
    }
    return true
  }

  async #writeNow(id: string, { signal }: RunContext, next: Change): Promise<ApprovalRecord | undefined> {
    const { clock, keeper, logger } = this.#host
    try {
      return await patiently(clock, signal, () => change(keeper, id, next))
    } catch (error) {
      logger.error({ error, id }, `What became of approval ${id} could not be written down`)
      return undefined
    }
  }

  /** Nobody waits for it, and nothing depends on it but what people see. */
  #write(id: string, next: Change): void {
    const { clock, keeper, logger } = this.#host
    const written = patiently(clock, this.#stopping.signal, () => change(keeper, id, next))
      .then(
        (record) => record && this.#tell(record),
        (error: unknown) => logger.warn({ error, id }, `What became of approval ${id} could not be written down`),
      )
      .then(() => void this.#writing.delete(written))
    this.#writing.add(written)
  }

  #tell(record: ApprovalRecord): void {
    const { waiters } = this.#host
    waiters.changed(record)
    if (isFinal(record.state)) waiters.forget(record.message.id)
  }

  /** What cannot be kept as JSON is known here only. */
  #textOf({ type, id }: Message, value: unknown): string | undefined {
    try {
      return toJson(value, `The result of '${type}'`)
    } catch (error) {
      this.#host.logger.warn({ error, id }, `The result of the approved '${type}' cannot be kept`)
      return undefined
    }
  }
}

/** Changes an approval as it is now: the record that it has then, or `undefined` if nothing is to be changed. */
export const change = async (keeper: Keeper, id: string, next: Change): Promise<ApprovalRecord | undefined> => {
  for (;;) {
    const kept = await keeper.get(id)
    const record = kept && next(kept.record, kept.readAt)
    if (!record) return undefined
    if (await keeper.update(kept, record, [])) return record
  }
}

const isTimeout = (reason: unknown): boolean => (reason as { readonly code?: unknown })?.code === 'HANDLER_TIMED_OUT'

const refusal = ({ type, id }: Message, beginning: Beginning): unknown => {
  if (beginning.is === 'given-up') return restoredError(beginning.error satisfies StoredError)
  const what = `The approved '${type}' was begun, and its process died: nobody knows how far it came. Look, and replay its dead letter`
  if (beginning.is === 'interrupted') return new ApprovalError('APPROVAL_INTERRUPTED', id, what)
  return new ApprovalError('APPROVAL_PENDING', id, `'${type}' is in the store, but nobody has approved it`)
}
