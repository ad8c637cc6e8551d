import { BusError } from '../errors.ts'
import type { EventStore } from '../persistence.ts'
import type { StoreHost } from '../store-host.ts'
import { noop } from '../thenable.ts'
import type { Timer } from '../timers.ts'
import { isFinal, unavailable } from './unavailable.ts'

type State =
  | { readonly is: 'closed' }
  | { readonly is: 'connecting' }
  | { readonly is: 'up' }
  | { readonly is: 'down'; readonly trouble: BusError }

/** Told when the store can be used again, and when this worker was found dead. */
interface Listener {
  up(): void
  lost(): void
}

const FIRST_BACK_OFF_MS = 100
const MAX_BACK_OFF_MS = 2000
/** Trouble that comes back sooner is the same trouble: a disk that is full answers what only reads. */
const STEADY_MS = 5000
/** A lease is relied on for this share of its length, counted from when its extension was asked for. */
const RELIED_ON = 0.8

/**
 * Whether the store answers, and this process's lease as a worker. It connects when somebody needs it, beats while it is
 * up, and comes back by itself: whoever fails says so with {@link failed}.
 */
export class Connection {
  state: State = { is: 'closed' }
  /** Unique for ever; `undefined` until it has joined. */
  worker: string | undefined = undefined
  /** What is added to a time of the store's clock to get one of the monotonic clock. Fixed, so that order keys compare. */
  offset = 0
  readonly #store: EventStore
  readonly #host: StoreHost
  readonly #listener: Listener
  #joins = false
  #opened = false
  #opening: Promise<void> | undefined = undefined
  #attempt: Promise<void> | undefined = undefined
  #beating: Promise<boolean> | undefined = undefined
  #timer: Timer | undefined = undefined
  #backOffMs = FIRST_BACK_OFF_MS
  #upSince = -Infinity
  /** It was said that the store is in trouble, and not yet that it answers again. */
  #told = false
  #reliableUntil = -Infinity
  /** Raised when it is closed: answers to what was asked before do not count. */
  #epoch = 0
  /** Something may be leased to this worker that nobody here knows of. */
  #doubtful = false
  #changed = Promise.withResolvers<void>()

  constructor(store: EventStore, host: StoreHost, listener: Listener) {
    this.#store = store
    this.#host = host
    this.#listener = listener
  }

  get trouble(): BusError | undefined {
    return this.state.is === 'down' ? this.state.trouble : undefined
  }

  get isUp(): boolean {
    return this.state.is === 'up'
  }

  /**
   * Resolves when the store can be used, and this process is one of its workers if `joins`.
   *
   * @throws {BusError} `PERSISTENCE_UNAVAILABLE` at once while it is down, else after the store's limit.
   */
  async ready(joins: boolean): Promise<void> {
    this.#joins ||= joins
    const { state } = this
    if (state.is === 'down') throw state.trouble
    if (state.is === 'up' && (!joins || this.worker !== undefined)) return
    if (state.is === 'closed') this.state = { is: 'connecting' }
    await this.#within(this.#connect(), this.#store.settings.connectMs)
  }

  /**
   * Asks the store; what fails is trouble, unless trying again would not help. So is what has no answer for as long as a
   * lease lasts: a connection that died without a word must not hold up what comes after it. @throws {BusError}
   */
  async call<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await this.#within(ask(), this.#store.settings.leaseMs)
    } catch (error) {
      if (isFinal(error)) throw error
      throw this.failed(error)
    }
  }

  /** Something could not be done: the store is down until it has answered again. */
  failed(error: unknown): BusError {
    const trouble = unavailable(error)
    if (this.state.is !== 'closed') this.#goDown(trouble)
    return trouble
  }

  /** Whether the lease is known to be valid for long enough to begin something. */
  get reliable(): boolean {
    return this.worker !== undefined && this.#host.clock.monotonic() < this.#reliableUntil
  }

  /** Extends the lease, and waits for the store if it must; `false` when it is lost. */
  async extend(): Promise<boolean> {
    const epoch = this.#epoch
    while (this.worker !== undefined && epoch === this.#epoch) {
      try {
        return await this.#beat()
      } catch {
        await this.#changed.promise
      }
    }
    return false
  }

  /** The answer to something that leases did not arrive: what it leased would be held for as long as this worker lives. */
  doubt(): void {
    this.#doubtful = true
  }

  get isDoubtful(): boolean {
    return this.#doubtful
  }

  /** Ends this worker, so that what it holds unknown to anybody here is free again, and joins as a new one. */
  async renew(): Promise<void> {
    this.#doubtful = false
    await this.leave(this.#store.settings.connectMs)
    if (this.isUp) await this.#connect()
  }

  /** Resolves when the state has changed. */
  get change(): Promise<void> {
    return this.#changed.promise
  }

  /** Ends the worker: what it still holds is given back. How many events that were. */
  async leave(limitMs: number): Promise<number> {
    const { worker } = this
    this.worker = undefined
    if (worker === undefined || !this.isUp) return 0
    return this.#within(this.#store.leave(worker), limitMs).catch(() => 0)
  }

  async close(): Promise<void> {
    this.#epoch++
    this.#host.cancel(this.#timer)
    this.#attempt = undefined
    this.#beating = undefined
    this.#joins = false
    this.#doubtful = false
    this.worker = undefined
    const wasOpen = this.#opened
    this.#opened = false
    this.#set({ is: 'closed' })
    void this.#opening?.then(() => this.#store.close()).catch(noop)
    this.#opening = undefined
    if (wasOpen) await this.#within(this.#store.close(), this.#store.settings.connectMs).catch(noop)
  }

  #connect(): Promise<void> {
    return (this.#attempt ??= this.#tryOnce(this.#epoch))
  }

  /** A try that was given up on may open the store yet: it is not opened twice. */
  #open(): Promise<void> {
    if (this.#opening) return this.#opening
    const opening = this.#store.open()
    this.#opening = opening
    const ended = (opened: boolean): void => {
      if (this.#opening !== opening) return
      this.#opening = undefined
      this.#opened = opened
    }
    opening.then(
      () => ended(true),
      () => ended(false),
    )
    return opening
  }

  async #tryOnce(epoch: number): Promise<void> {
    const { connectMs } = this.#store.settings
    try {
      // Opened once and closed once, so that several buses may share a store.
      if (!this.#opened) await this.#within(this.#open(), connectMs)
      else if (this.worker === undefined) await this.#within(this.#store.ready([]), connectMs)
      if (epoch !== this.#epoch) return
      if (this.worker !== undefined) await this.#beat()
      if (this.#joins && this.worker === undefined) await this.#join(epoch)
      if (epoch !== this.#epoch) return
      this.#attempt = undefined
      this.#goUp()
    } catch (error) {
      if (epoch !== this.#epoch) throw unavailable(error)
      this.#attempt = undefined
      throw this.failed(error)
    }
  }

  async #join(epoch: number): Promise<void> {
    const { clock, name } = this.#host
    const { leaseMs, connectMs } = this.#store.settings
    const askedAt = clock.monotonic()
    const { worker, now } = await this.#within(this.#store.join({ name }), connectMs)
    if (epoch !== this.#epoch) return
    this.worker = worker
    this.offset = clock.monotonic() - now
    this.#reliableUntil = askedAt + leaseMs * RELIED_ON
  }

  #beat(): Promise<boolean> {
    return (this.#beating ??= this.#beatOnce(this.#epoch).finally(() => (this.#beating = undefined)))
  }

  async #beatOnce(epoch: number): Promise<boolean> {
    const { leaseMs } = this.#store.settings
    const worker = this.worker!
    const askedAt = this.#host.clock.monotonic()
    let answer: 'ok' | 'lost'
    try {
      answer = await this.#within(this.#store.heartbeat(worker), leaseMs)
    } catch (error) {
      throw epoch === this.#epoch ? this.failed(error) : unavailable(error)
    }
    if (epoch !== this.#epoch || worker !== this.worker) return false
    if (answer === 'ok') {
      this.#reliableUntil = askedAt + leaseMs * RELIED_ON
      return true
    }
    this.worker = undefined
    this.#host.logger.warn({ worker }, 'This process was not heard of in time, so others have its stored events now')
    this.#listener.lost()
    if (this.isUp) void this.#connect().catch(noop)
    return false
  }

  #goUp(): void {
    const wasDown = this.state.is === 'down'
    this.#upSince = this.#host.clock.monotonic()
    this.#set({ is: 'up' })
    this.#schedule(this.#store.settings.heartbeatMs)
    if (wasDown) this.#host.storeChanged(undefined)
    if (this.#told) this.#host.logger.info({}, 'The store answers again')
    this.#told = false
    this.#listener.up()
  }

  #goDown(trouble: BusError): void {
    const wasDown = this.state.is === 'down'
    if (!wasDown) {
      this.#set({ is: 'down', trouble })
      this.#host.storeChanged(trouble)
      const isNew = this.#host.clock.monotonic() - this.#upSince >= STEADY_MS
      if (isNew) this.#backOffMs = FIRST_BACK_OFF_MS
      if (isNew) this.#tell(trouble)
    } else if (this.#attempt !== undefined || this.#timer?.pending) return
    else if (this.#backOffMs === MAX_BACK_OFF_MS) this.#tell(trouble)
    this.#schedule(this.#backOffMs)
    this.#backOffMs = Math.min(MAX_BACK_OFF_MS, this.#backOffMs * 2)
  }

  #tell(trouble: BusError): void {
    if (!this.#told)
      this.#host.logger.error({ error: trouble }, `${trouble.message}. It is tried again until it answers`)
    this.#told = true
  }

  #set(state: State): void {
    this.state = state
    const { resolve } = this.#changed
    this.#changed = Promise.withResolvers()
    resolve()
  }

  /** The one timer: the next beat while it is up, the next attempt while it is down. */
  #schedule(delayMs: number): void {
    this.#host.cancel(this.#timer)
    this.#timer = this.#host.after(delayMs, () => {
      if (this.state.is === 'down') return void this.#connect().catch(noop)
      if (this.worker !== undefined) void this.#beat().catch(noop)
      if (this.isUp) this.#schedule(this.#store.settings.heartbeatMs)
    })
  }

  /** A store that does not answer in time is in trouble. */
  async #within<Answer>(answer: Promise<Answer>, limitMs: number): Promise<Answer> {
    const late = Promise.withResolvers<never>()
    const timer = this.#host.after(limitMs, () => {
      late.reject(new BusError('PERSISTENCE_UNAVAILABLE', `The store did not answer within ${limitMs} ms`))
    })
    try {
      return await Promise.race([answer, late.promise])
    } finally {
      this.#host.cancel(timer)
      answer.catch(noop)
    }
  }
}
