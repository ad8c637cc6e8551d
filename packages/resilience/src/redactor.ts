import type { Clock, Logger } from '@buslane/core'
import type { DeadMessage } from './dead-message.ts'

/** What is taken out of letters before they are kept, and of errors before they are kept, logged or told. */
export interface Redaction {
  /**
   * What of a payload may be kept. What is kept is what a replay from a store handles, unless that edits it. Must answer at once; if it
   * throws, nothing of the payload is kept.
   */
  readonly payload?: ((payload: unknown, letter: { readonly type: string }) => unknown) | undefined
  /** What of the metadata may be kept. Must answer at once, with an object; otherwise nothing of the metadata is kept. */
  readonly metadata?:
    | ((
        metadata: Readonly<Record<string, unknown>>,
        letter: { readonly type: string },
      ) => Readonly<Record<string, unknown>>)
    | undefined
  /** What takes the place of a thrown value everywhere: in letters, in the store, in `bus.errors`, in the log. */
  readonly error?: ((error: unknown, message: { readonly type: string }) => unknown) | undefined
}

interface RedactorHost {
  readonly clock: Clock
  readonly logger: Logger
  readonly redact: Redaction
}

/** A redaction that fails is logged at most once in this time. */
const LOG_EVERY_MS = 60_000

/** Takes out of letters what must not be kept. What cannot be redacted is left out, and the letter is kept without it. */
export class Redactor {
  readonly #host: RedactorHost
  #loggedAt = -Infinity

  constructor(host: RedactorHost) {
    this.#host = host
  }

  /** Only what is kept: what is handled again from memory is the message itself. */
  redacted(dead: DeadMessage): DeadMessage {
    const { payload, metadata } = this.#host.redact
    if (!payload && !metadata) return dead
    const { message } = dead
    // A message is no plain object: its copy is, and that is all that is read of it here.
    const { kind, id, type, version, sessionId, timestamp, correlationId, causationId } = message
    const about = { type }
    return {
      ...dead,
      message: {
        kind,
        id,
        type,
        version,
        sessionId,
        timestamp,
        correlationId,
        causationId,
        payload: payload
          ? this.#attempt('payload', type, () => payload(message.payload, about), undefined)
          : message.payload,
        metadata: metadata
          ? this.#attempt('metadata', type, () => requireObject(metadata(message.metadata, about)), {})
          : message.metadata,
      },
    }
  }

  #attempt<T>(what: 'payload' | 'metadata', type: string, redact: () => T, otherwise: T): T {
    try {
      const redacted = redact()
      if (!(redacted instanceof Promise)) return redacted
      redacted.catch(() => undefined)
      throw new TypeError('it gave a promise')
    } catch {
      this.#log(`redact.${what} failed, so the dead letters of '${type}' are kept without their ${what}`)
      return otherwise
    }
  }

  /** Without what was thrown: it may tell what had to be redacted. */
  #log(message: string): void {
    const { clock, logger } = this.#host
    const now = clock.monotonic()
    if (now - this.#loggedAt < LOG_EVERY_MS) return
    this.#loggedAt = now
    logger.error({}, message)
  }
}

const requireObject = (value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => {
  if (typeof value === 'object' && value !== null) return value
  throw new TypeError('it gave no object')
}
