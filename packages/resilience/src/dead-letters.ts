import {
  type AnyDefinition,
  type CommandDefinition,
  type CommandMessage,
  type EventDefinition,
  type EventMessage,
  isBusError,
  type Message,
  type Page,
  type Persistence,
  type PluginHost,
  type StoredEvent,
} from '@buslane/core'
import { toJson } from '@buslane/core/store-runner'
import { checkOptions, oneOf, optionalFunction, text } from './check-options.ts'
import { type DeadLetter, readLetter } from './dead-letter.ts'
import { invalidOption } from './errors.ts'
import { type BoxedLetter, isBoxed, isBoxedCursor, type LetterBox } from './letter-box.ts'
import { checkFilter, type DeadLetterFilter, nameOf, requireFilter, type TypeKey } from './letter-filter.ts'
import type { LetterWriter } from './letter-writer.ts'
import type { ReplayLease } from './replay-lease.ts'

/** What messages of a type are made of. */
export type PayloadOf<Type> =
  Type extends EventDefinition<infer Input, infer _Output>
    ? Input
    : Type extends CommandDefinition<infer Input, infer _Result, infer _Output>
      ? Input
      : unknown

/** How a replay is done. */
export interface ReplayOptions {
  /** Gives the payload that is handled instead; the original is kept beside it. Of the version that the letter has. */
  readonly edit?: ((letter: DeadLetter) => unknown) | undefined
  /** Who does it, for the record. Default `unknown`. */
  readonly by?: string | undefined
}

/**
 * What became of one letter. It is still among the letters where there is an `error`.
 *
 * - `replayed`: it is at work, or in the store to be.
 * - `gone`: there is none of that key, or somebody else was quicker.
 * - `no-handler`: it is in memory only, and its handler is not registered any more.
 * - `refused`: it is in memory only, and its bus or its session takes nothing more.
 * - `failed`: for another reason.
 */
export type ReplayResult = { readonly key: string } & (
  | { readonly status: 'replayed' | 'gone' }
  | { readonly status: 'no-handler' | 'refused' | 'failed'; readonly error: unknown }
)

/** How many letters there are. */
export interface DeadLetterCounts {
  readonly total: number
  readonly byReason: Readonly<Record<string, number>>
  /** Letters in memory that left because it was full. */
  readonly dropped: number
}

interface LettersHost {
  readonly persistence: Persistence
  readonly box: LetterBox
  readonly writer: LetterWriter
  readonly bus: Pick<PluginHost, 'redeliver' | 'execute' | 'requireHandler'>
  readonly lease: (boxed: BoxedLetter) => ReplayLease
  /** A command from the box is at work again: what becomes of it is told by its id. */
  readonly executing: (boxed: BoxedLetter) => { ended(isDone: boolean): void }
  readonly moved: (key: string, action: 'replayed' | 'discarded', by: string) => void
}

const PAGE = 100
const asideState = oneOf('undecodable', 'dead')
const MAX_PAGE = 1000

/** Lets people and tools see the dead letters of a bus, and move them. */
export class DeadLetters {
  readonly #host: LettersHost

  constructor(host: LettersHost) {
    this.#host = host
  }

  /**
   * One page, oldest first: those in the store, then those in memory. `cursor` is `next` of the page before. What comes or goes
   * meanwhile neither repeats nor hides another letter.
   *
   * @throws {BusError} `INVALID_ARGUMENT` for a filter that is none, and for a cursor that no page gave.
   */
  async list<Type extends TypeKey = string>(
    filter: DeadLetterFilter<Type> = {},
    cursor?: string,
  ): Promise<Page<DeadLetter<PayloadOf<Type>>>> {
    type Letters = readonly DeadLetter<PayloadOf<Type>>[]
    const { persistence, box, writer } = this.#host
    const store = persistence.deadLetters
    checkFilter(filter)
    requireCursor(cursor, store !== undefined)
    await writer.settled()
    const { limit: wanted = PAGE, session, type, ...others } = filter
    const limit = Math.min(wanted, MAX_PAGE)
    const typeName = nameOf(type)
    const entries: DeadLetter[] = []
    let boxCursor = cursor ?? ''
    if (store && !isBoxed(boxCursor)) {
      const page = await store.list({ ...others, type: typeName, sessionId: session, limit, cursor })
      entries.push(...page.entries.map((kept) => readLetter(kept, persistence.events?.codec)))
      if (page.next !== undefined || entries.length >= limit) {
        const next = page.next ?? (box.size > 0 ? 'memory:0' : undefined)
        return { entries: entries as Letters, next }
      }
      boxCursor = ''
    }
    const boxed = box.page(
      (letter) => fits(letter, { ...others, session, type: typeName }),
      boxCursor,
      limit - entries.length,
    )
    return { entries: [...entries, ...boxed.entries] as Letters, next: boxed.next }
  }

  /** @throws {BusError} `INVALID_ARGUMENT` for a key that is no text. */
  async get<Payload = unknown>(key: string): Promise<DeadLetter<Payload> | undefined> {
    const { persistence, box, writer } = this.#host
    if (!text.fits(key)) throw invalidOption('key', text.what, key)
    await writer.settled()
    if (isBoxed(key)) return box.get(key)?.letter as DeadLetter<Payload> | undefined
    const kept = await persistence.deadLetters?.get(key)
    return kept && readLetter(kept, persistence.events?.codec)
  }

  async count(): Promise<DeadLetterCounts> {
    const { persistence, box, writer } = this.#host
    await writer.settled()
    const counts = new Map(Object.entries((await persistence.deadLetters?.count()) ?? {}))
    for (const [reason, count] of Object.entries(box.reasons)) counts.set(reason, (counts.get(reason) ?? 0) + count)
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
    return { total, byReason: Object.fromEntries(counts), dropped: box.dropped }
  }

  /**
   * Puts one letter, or all that fit, back to work: handlers that were done stay done, the attempts of the others begin anew, and
   * what failed before stays in the letter if it fails again. Of a command only its effect is repeated: nobody waits for its result.
   *
   * - *Atomic*: a letter is either still here or ready to be handled, whatever dies meanwhile.
   * - *Idempotent*: of two who replay one letter, one finds it `gone`.
   * - *Failure*: each letter for itself; one that fails does not keep the others.
   *
   * @throws {BusError} `INVALID_ARGUMENT` without a filter, or with one that has a property without a value: `{}` means all.
   */
  replay(key: string, options?: ReplayOptions): Promise<ReplayResult>
  replay(filter: DeadLetterFilter, options?: ReplayOptions): Promise<readonly ReplayResult[]>
  async replay(
    which: string | DeadLetterFilter,
    options: ReplayOptions = {},
  ): Promise<ReplayResult | readonly ReplayResult[]> {
    if (typeof which !== 'string') requireFilter('replay', which)
    checkOptions('replay', options, { edit: optionalFunction, by: text })
    await this.#host.writer.settled()
    if (typeof which === 'string') return this.#replayOne(which, options)
    const results: ReplayResult[] = []
    // All keys first: what fails again at once must not be replayed for ever.
    for (const key of await this.#keysOf(which)) results.push(await this.#replayOne(key, options))
    return results
  }

  /**
   * Deletes one letter, or all that fit. How many were there.
   *
   * @throws {BusError} `INVALID_ARGUMENT` without a filter, or with one that has a property without a value: `{}` means all.
   */
  async discard(which: string | DeadLetterFilter, options: { readonly by?: string } = {}): Promise<number> {
    checkOptions('discard', options, { by: text })
    const { by = 'unknown' } = options
    const { persistence, box, writer, moved } = this.#host
    if (typeof which !== 'string') requireFilter('discard', which)
    await writer.settled()
    let discarded = 0
    for (const key of typeof which === 'string' ? [which] : await this.#keysOf(which)) {
      const count = isBoxed(key) ? (box.take(key) ? 1 : 0) : ((await persistence.deadLetters?.discard([key])) ?? 0)
      if (count > 0) moved(key, 'discarded', by)
      discarded += count
    }
    return discarded
  }

  /**
   * What nobody tries again by himself and is no dead letter: stored messages that cannot be read here, and those that were given up
   * where the persistence has no dead letters.
   */
  async aside(state: 'undecodable' | 'dead', cursor?: string): Promise<Page<StoredEvent>> {
    if (!asideState.fits(state)) throw invalidOption('state', asideState.what, state)
    if (cursor !== undefined && !text.fits(cursor))
      throw invalidOption('cursor', 'the `next` of an earlier page', cursor)
    const page = await this.#host.persistence.inspect?.list({ state, cursor })
    return page ?? { entries: [], next: undefined }
  }

  async #keysOf(filter: DeadLetterFilter): Promise<readonly string[]> {
    const keys: string[] = []
    let cursor: string | undefined
    do {
      const page: Page<DeadLetter> = await this.list({ limit: MAX_PAGE, ...filter }, cursor)
      keys.push(...page.entries.map(({ key }) => key))
      cursor = page.next
    } while (cursor !== undefined)
    return keys
  }

  async #replayOne(key: string, { edit, by = 'unknown' }: ReplayOptions): Promise<ReplayResult> {
    try {
      const status = isBoxed(key) ? await this.#replayBoxed(key, edit, by) : await this.#replayStored(key, edit, by)
      if (status === 'replayed') this.#host.moved(key, 'replayed', by)
      return { key, status }
    } catch (error) {
      return { key, status: failureOf(error), error }
    }
  }

  async #replayStored(key: string, edit: ReplayOptions['edit'], by: string): Promise<'replayed' | 'gone'> {
    const { persistence } = this.#host
    const store = persistence.deadLetters
    if (!store) return 'gone'
    if (!edit) return store.replay(key)
    const letter = await this.get(key)
    if (!letter) return 'gone'
    const edited = edit(letter)
    const codec = persistence.events?.codec
    const payload = codec ? codec.encode(edited) : toJson(edited, `The edited payload of '${letter.type}'`)
    return store.replay(key, { payload, by })
  }

  async #replayBoxed(key: string, edit: ReplayOptions['edit'], by: string): Promise<'replayed' | 'gone'> {
    const { box, bus, lease, executing } = this.#host
    const kept = box.get(key)
    if (!kept) return 'gone'
    bus.requireHandler(kept.message, kept.identity)
    let boxed = kept
    if (edit) {
      const original = kept.letter.edited?.payload ?? kept.letter.payload
      const message = withPayload(kept.message, edit(kept.letter))
      boxed = { ...kept, message, letter: { ...kept.letter, edited: { payload: original, by } } }
    }
    if (!box.take(key)) return 'gone'
    const { message } = boxed
    if (message.kind === 'command') {
      const at = executing(boxed)
      void bus.execute(message as CommandMessage).then(({ success }) => at.ended(success))
      return 'replayed'
    }
    const own = lease(boxed)
    try {
      await bus.redeliver(message as EventMessage, own)
      return 'replayed'
    } catch (error) {
      own.abandon()
      box.add(kept)
      throw error
    }
  }
}

/** What a store's cursors look like only the store knows. */
const requireCursor = (cursor: unknown, hasStore: boolean): void => {
  if (cursor === undefined) return
  if (typeof cursor === 'string' && (isBoxedCursor(cursor) || (hasStore && !isBoxed(cursor)))) return
  throw invalidOption('cursor', 'the `next` of an earlier page', cursor)
}

const failureOf = (error: unknown): 'no-handler' | 'refused' | 'failed' => {
  if (isBusError(error, 'NO_HANDLER')) return 'no-handler'
  return isBusError(error, 'BUS_STOPPED') || isBusError(error, 'SESSION_ENDED') ? 'refused' : 'failed'
}

const fits = (
  letter: DeadLetter,
  { type, reason, session, since, until }: Omit<DeadLetterFilter, 'type'> & { readonly type: string | undefined },
): boolean =>
  (type === undefined || letter.type === type) &&
  (reason === undefined || letter.reason === reason) &&
  (session === undefined || letter.sessionId === session) &&
  (since === undefined || letter.deadAt >= since) &&
  (until === undefined || letter.deadAt < until)

/** A copy with another payload; it is read as what came from JSON is. */
const withPayload = (message: BoxedLetter['message'], payload: unknown): BoxedLetter['message'] => {
  const { kind, id, type, version, sessionId, timestamp, correlationId, causationId, metadata } = message
  return {
    kind,
    id,
    type,
    version,
    sessionId,
    timestamp,
    correlationId,
    causationId,
    metadata,
    payload,
  } satisfies Message & {
    kind: AnyDefinition['kind']
  }
}
