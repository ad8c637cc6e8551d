import type { DeadLetter as KeptLetter, DeadReason, Metadata, PayloadCodec, StoredError } from '@buslane/core'
import { fromJson } from '@buslane/core/store-runner'

/** One failed run of a handler. */
export interface DeadAttempt {
  readonly handler: string
  /** Long texts are cut at 4,000 characters, causes after five. */
  readonly error: StoredError
}

/** How one handler of a dead message stands. */
export interface DeadHandler {
  readonly name: string
  readonly status: 'done' | 'failed' | 'trying'
  /** Runs so far, since it was last replayed. */
  readonly attempts: number
}

/** A message that nobody will try again by himself, and all that is known about why. */
export interface DeadLetter<Payload = unknown> {
  readonly key: string
  readonly kind: 'event' | 'command'
  readonly id: string
  readonly type: string
  readonly version: number
  /** As it was received: before it was upcast and parsed. `undefined` if it cannot be read here; see `payloadText`. */
  readonly payload: Payload
  /** As it is kept; `undefined` for one that is in memory only. */
  readonly payloadText: string | undefined
  readonly sessionId: string
  readonly timestamp: number
  readonly correlationId: string
  readonly causationId: string | undefined
  readonly metadata: Metadata
  /** W3C trace context, if the metadata has one. */
  readonly traceContext: { readonly traceparent: string; readonly tracestate: string | undefined } | undefined
  readonly reason: DeadReason
  /** Who is to blame; `undefined` if nobody is. */
  readonly handler: string | undefined
  readonly handlers: readonly DeadHandler[]
  /** The last runs that failed, with their times; those from before a replay included. */
  readonly attempts: readonly DeadAttempt[]
  /** What no handler is to blame for. */
  readonly error: StoredError | undefined
  /** Which process gave it up. */
  readonly node: string
  readonly lane: string | undefined
  readonly priority: number
  readonly idempotencyKey: string | undefined
  /** Epoch milliseconds, as all below. */
  readonly acceptedAt: number
  readonly firstFailedAt: number
  readonly deadAt: number
  readonly replays: number
  /** The payload before somebody edited it for a replay, and who did. */
  readonly edited: { readonly payload: unknown; readonly by: string } | undefined
  /** Whether a store keeps it; otherwise it is gone with the process. */
  readonly isStored: boolean
}

interface Headers {
  readonly timestamp: number
  readonly correlationId: string
  readonly causationId?: string
  readonly metadata?: Metadata
}

/** What the store keeps, as people read it. What cannot be read is left out, and never thrown. */
export const readLetter = <Payload>(kept: KeptLetter, codec: PayloadCodec | undefined): DeadLetter<Payload> => {
  const { message, progress, edited } = kept
  const { kind, id, type, version, sessionId, payload, headers } = message
  const decode = (text: string): unknown => attempt(() => (codec ? codec.decode(text) : fromJson(text)), undefined)
  const given = attempt(() => fromJson(headers) as Headers, { timestamp: kept.acceptedAt, correlationId: id })
  const { metadata = {} } = given
  const handlers = Object.entries(progress)
  const [handler] =
    handlers.find(([, { status }]) => status === 'failed') ??
    handlers.find(([, { status }]) => status === 'trying') ??
    []
  return {
    key: kept.key,
    kind,
    id,
    type,
    version,
    payload: decode(payload) as Payload,
    payloadText: payload,
    sessionId,
    timestamp: given.timestamp,
    correlationId: given.correlationId,
    causationId: given.causationId,
    metadata,
    traceContext: traceContextOf(metadata),
    reason: kept.reason,
    handler,
    handlers: handlers.map(([name, { status, attempts }]) => ({ name, status, attempts })),
    attempts: handlers.flatMap(([name, { errors = [] }]) => errors.map((error) => ({ handler: name, error }))),
    error: kept.error,
    node: kept.worker,
    lane: kept.lane,
    priority: kept.priority,
    idempotencyKey: kept.idempotencyKey,
    acceptedAt: kept.acceptedAt,
    firstFailedAt: kept.firstFailedAt,
    deadAt: kept.deadAt,
    replays: kept.replays,
    edited: edited && { payload: decode(edited.payload), by: edited.by },
    isStored: true,
  }
}

export const traceContextOf = (metadata: Metadata): DeadLetter['traceContext'] => {
  const { traceparent, tracestate } = metadata
  if (typeof traceparent !== 'string') return undefined
  return { traceparent, tracestate: typeof tracestate === 'string' ? tracestate : undefined }
}

const attempt = <T>(work: () => T, otherwise: T): T => {
  try {
    return work()
  } catch {
    return otherwise
  }
}
