import { invalid } from '../errors.ts'
import { type AnyDefinition, BUS, type EventMessage, type Metadata, restoreMessage } from '../message.ts'
import type { PayloadCodec, StoredMessage } from '../persistence.ts'
import { fromJson, toJson } from './json-payload.ts'

/** What is kept of a message beside what claims and people search for. */
interface Headers {
  readonly timestamp: number
  readonly correlationId: string
  readonly causationId?: string
  readonly metadata?: Metadata
  /** When, in milliseconds after it was accepted, it is too late to begin. */
  readonly expiresInMs?: number
}

/** @throws {BusError} `INVALID_PAYLOAD`, `INVALID_ARGUMENT` */
export const storeMessage = (
  message: EventMessage,
  expiresInMs: number | undefined,
  codec: PayloadCodec | undefined,
): StoredMessage => {
  const { kind, id, type, version, sessionId, payload, timestamp, correlationId, causationId, metadata } = message
  requireText(id, `The id of '${type}'`)
  requireText(sessionId, `The sessionId of '${type}'`)
  const headers: { -readonly [Name in keyof Headers]: Headers[Name] } = { timestamp, correlationId }
  if (causationId !== undefined) headers.causationId = causationId
  if (Object.keys(metadata).length > 0) headers.metadata = metadata
  if (expiresInMs !== undefined) headers.expiresInMs = expiresInMs
  return {
    kind,
    id,
    type,
    version,
    sessionId,
    payload: codec ? codec.encode(payload) : toJson(payload, `The payload of '${type}'`),
    headers: toJson(headers, `The metadata of '${type}'`),
  }
}

/** The payload as it was published. */
export const loadPayload = (text: string, codec: PayloadCodec | undefined): unknown =>
  codec ? codec.decode(text) : fromJson(text)

/** The message that was stored, its payload as it was published; throws whatever is wrong with the texts. */
export const loadMessage = (
  { kind, id, type, version, sessionId, payload, headers }: StoredMessage,
  definition: AnyDefinition,
  codec: PayloadCodec | undefined,
): { readonly message: EventMessage; readonly expiresInMs: number | undefined } => {
  const { timestamp, correlationId, causationId, metadata, expiresInMs } = fromJson(headers) as Headers
  const fields = {
    kind,
    id,
    type,
    version,
    sessionId,
    payload: loadPayload(payload, codec),
    timestamp,
    correlationId,
    causationId,
    metadata: metadata ?? {},
  }
  return { message: restoreMessage(fields, definition) as EventMessage, expiresInMs }
}

/** What ties a stored message to others; `undefined` if that cannot be read. */
export const correlationIn = (headers: string): string | undefined => {
  try {
    return (fromJson(headers) as Headers).correlationId
  } catch {
    return undefined
  }
}

/** The name of a lane in the store: only lanes that are not the bus's own have an order across processes. */
export const namedLane = (laneKey: string | undefined): string | undefined => (laneKey === BUS ? undefined : laneKey)

/** The text with a sign in place of what databases refuse. */
export const storableText = (text: string): string => text.replaceAll('\0', '\uFFFD').toWellFormed()

/** The longest lane and idempotency key, in bytes of UTF-8: longer ones fit no index of a database. */
const MAX_KEY_BYTES = 1024

/** Of what a store looks events up by. @throws {BusError} `INVALID_ARGUMENT` */
export const requireKey = (text: string, what: string): void => {
  requireText(text, what)
  // A character of a string takes three bytes at most.
  if (text.length <= MAX_KEY_BYTES / 3 || bytesOf(text) <= MAX_KEY_BYTES) return
  throw invalid(`${what} is longer than 1,024 bytes of UTF-8, the most that a store keeps. Use a hash of it`)
}

/** In UTF-8, where the two halves of a surrogate pair are four bytes. */
const bytesOf = (text: string): number => {
  let bytes = 0
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    const isHalf = unit >= 0xd800 && unit <= 0xdfff
    bytes += unit < 0x80 ? 1 : unit < 0x800 || isHalf ? 2 : 3
  }
  return bytes
}

/** Databases refuse some characters in texts, or change them silently. @throws {BusError} `INVALID_ARGUMENT` */
const requireText = (text: string, what: string): void => {
  if (!text.includes('\0') && text.isWellFormed()) return
  throw invalid(`${what} has a NUL character or half of a surrogate pair, which no database keeps`)
}
