import type { ClaimType, NewEvent, Progress, StoredError, StoredMessage } from '@buslane/core'

/** The type that the checks publish and handle unless they say otherwise. */
export const ORDER_PLACED = 'order.placed'

/** What a worker of the checks handles: {@link ORDER_PLACED}, version 1, by one handler. */
export const HANDLED: readonly ClaimType[] = [{ type: ORDER_PLACED, version: 1, handlers: ['ship'] }]

/** What {@link NewEvent} needs beside its message: due at once, of no lane, at the usual priority, in the order in which it is appended. */
export const PLAIN_EVENT: Omit<NewEvent, 'message'> = {
  lane: undefined,
  serial: false,
  priority: 50,
  orderOffsetMs: 0,
  due: undefined,
  expiresInMs: undefined,
  idempotencyKey: undefined,
  onCrash: 'retry',
  keep: undefined,
  mine: false,
}

/** What a check says about an event; the rest is as usual. */
export type EventSketch = Partial<Omit<NewEvent, 'message'> & Omit<StoredMessage, 'id'>>

/** An event on its way into the store: due at once, of no lane, in the order in which it is appended. */
export function event(id: string, sketch: EventSketch = {}): NewEvent {
  const { kind, type, version, sessionId, payload, headers, ...rest } = sketch
  return {
    message: {
      kind: kind ?? 'event',
      id,
      type: type ?? ORDER_PLACED,
      version: version ?? 1,
      sessionId: sessionId ?? 'BUS',
      payload: payload ?? `{"order":"${id}"}`,
      headers: headers ?? '{"timestamp":1}',
    },
    ...PLAIN_EVENT,
    ...rest,
  }
}

/** So many events, `prefix-0000` and on. */
export function events(count: number, prefix: string, sketch: (index: number) => EventSketch = () => ({})): NewEvent[] {
  return Array.from({ length: count }, (_, index) => event(idOf(prefix, index), sketch(index)))
}

export const idOf = (prefix: string, index: number): string => `${prefix}-${String(index).padStart(4, '0')}`

/** An error as a handler left it. */
export function failure(message: string, failedAt = 1_700_000_000_000): StoredError {
  return { name: 'Error', message, failedAt }
}

/** The handler has failed so often, and will run again. */
export function trying(attempts: number): Progress {
  return {
    ship: {
      status: 'trying',
      attempts,
      errors: Array.from({ length: attempts }, (_, index) => failure(`try ${index + 1}`)),
    },
  }
}
