import {
  BUS,
  type Clock,
  type ClockTimer,
  type EventMessage,
  HandlerPriority,
  type Logger,
  type NewDeadLetter,
  type Persistence,
} from '@buslane/core'
import { storeMessage } from '@buslane/core/store-runner'
import { type DeadLetter, traceContextOf } from './dead-letter.ts'
import type { DeadMessage } from './dead-message.ts'
import type { LetterBox } from './letter-box.ts'
import type { Redactor } from './redactor.ts'

interface WriterHost {
  readonly clock: Clock
  readonly logger: Logger
  readonly persistence: Persistence
  readonly box: LetterBox
  readonly node: string
  readonly redactor: Redactor
  /** Whether every handler of the type has a name of its own, so that a store can keep its events. */
  readonly isStorable: (type: string) => boolean
  /** The box was full, or the store could not be reached. */
  readonly report: (what: 'dropped' | 'unsaved') => void
}

const TRY_AGAIN_MS = 5000

/** Makes dead letters of messages in memory. Nobody waits for it: what the store cannot take now is boxed, and offered again. */
export class LetterWriter {
  readonly #host: WriterHost
  readonly #writing = new Set<Promise<void>>()
  /** What is in the box only because the store could not be reached, by its key there. */
  readonly #unsaved = new Map<string, NewDeadLetter>()
  #timer: ClockTimer = undefined

  constructor(host: WriterHost) {
    this.#host = host
  }

  /** How many letters the store should have and has not. */
  get unsaved(): number {
    return this.#unsaved.size
  }

  /** Resolves when all that is being written is written, or boxed. */
  async settled(): Promise<void> {
    await Promise.all(this.#writing)
  }

  write(given: DeadMessage): void {
    const { persistence, isStorable, redactor } = this.#host
    const dead = redactor.redacted(given)
    const { deadLetters, events } = persistence
    const isKnown = dead.message.kind === 'command' || (dead.identity !== undefined && isStorable(dead.message.type))
    const letter = deadLetters && events && isKnown ? this.#newLetter(dead) : undefined
    if (!letter || !deadLetters) return void this.#box(dead, given)
    const add = async (): Promise<string> => deadLetters.add(letter)
    const written = add().then(
      () => undefined,
      (error: unknown) => this.#refused(dead, given, letter, error),
    )
    const done = written.finally(() => this.#writing.delete(done))
    this.#writing.add(done)
  }

  stop(): void {
    this.#host.clock.clearTimer(this.#timer)
    this.#timer = undefined
  }

  #newLetter({ message, identity, reason, attempts, errors }: DeadMessage): NewDeadLetter | undefined {
    const { persistence, node } = this.#host
    const { kind, sessionId, type } = message
    const handler = kind === 'command' ? type : identity!
    try {
      return {
        message: storeMessage(message as EventMessage, undefined, persistence.events?.codec),
        reason,
        lane: sessionId === BUS ? undefined : sessionId,
        priority: HandlerPriority.NORMAL,
        progress: { [handler]: { status: 'failed', attempts, errors, reason } },
        error: undefined,
        worker: node,
        handlers: [handler],
      }
    } catch {
      return undefined // it is no plain data, so it can be in memory only
    }
  }

  #refused(dead: DeadMessage, given: DeadMessage, letter: NewDeadLetter, error: unknown): void {
    const { logger, report } = this.#host
    const { id, type } = dead.message
    this.#unsaved.set(this.#box(dead, given), letter)
    report('unsaved')
    const isFirst = this.#unsaved.size === 1
    if (isFirst) logger.error({ error, id }, `The dead letter of '${type}' cannot be stored now and stays in memory`)
    this.#tryLater()
  }

  #box(dead: DeadMessage, { message }: DeadMessage): string {
    const { box, report, logger } = this.#host
    const { identity } = dead
    const { key, isFull } = box.add({ letter: this.#boxedLetter(dead), message, identity })
    if (isFull) {
      report('dropped')
      if (box.dropped === 1) logger.warn({}, 'The dead letters in memory are full: the oldest leave, and are counted')
    }
    return key
  }

  #boxedLetter(dead: DeadMessage): Omit<DeadLetter, 'key'> {
    const { message, handler, attempts, errors, reason, replays, edited } = dead
    const { id, kind, type, version, payload, sessionId, timestamp, correlationId, causationId, metadata } = message
    const now = this.#host.clock.now()
    return {
      kind,
      id,
      type,
      version,
      payload,
      sessionId,
      timestamp,
      correlationId,
      causationId,
      metadata,
      payloadText: undefined,
      traceContext: traceContextOf(metadata),
      reason,
      handler,
      handlers: [{ name: handler, status: 'failed', attempts }],
      attempts: errors.map((error) => ({ handler, error })),
      error: undefined,
      node: this.#host.node,
      lane: sessionId === BUS ? undefined : sessionId,
      priority: HandlerPriority.NORMAL,
      idempotencyKey: undefined,
      acceptedAt: timestamp,
      firstFailedAt: errors[0]?.failedAt ?? now,
      deadAt: now,
      replays,
      edited,
      isStored: false,
    }
  }

  #tryLater(): void {
    const { clock } = this.#host
    this.#timer ??= clock.setTimer(() => {
      this.#timer = undefined
      void this.#saveAll()
    }, TRY_AGAIN_MS)
  }

  async #saveAll(): Promise<void> {
    const { persistence, box } = this.#host
    const store = persistence.deadLetters!
    for (const [boxKey, letter] of this.#unsaved) {
      if (!box.get(boxKey)) {
        this.#unsaved.delete(boxKey) // replayed, discarded or dropped meanwhile
        continue
      }
      try {
        const key = await store.add(letter)
        this.#unsaved.delete(boxKey)
        // Whoever replayed it meanwhile has it, and there must not be two.
        if (!box.take(boxKey)) await store.discard([key])
      } catch {
        return this.#tryLater()
      }
    }
  }
}
