import { defineEvent, type EventDefinition } from './message.ts'

/** An error as plain data, fit for a message. */
export interface ErrorData {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly stack?: string
}

/** What the events about one command say. */
export interface CommandEventPayload {
  readonly commandId: string
  readonly commandType: string
  readonly sessionId: string
}

// Written with their types, because packages are compiled declaration by declaration.

/** A command's handler is about to be called. */
export const CommandStarted: EventDefinition<CommandEventPayload, CommandEventPayload, false> =
  defineEvent<CommandEventPayload>('buslane.command.started')

type CommandSucceededPayload = CommandEventPayload & { readonly attempts: number; readonly durationMs: number }
/** A command gave its result. */
export const CommandSucceeded: EventDefinition<CommandSucceededPayload, CommandSucceededPayload, false> =
  defineEvent<CommandSucceededPayload>('buslane.command.succeeded')

type CommandFailedPayload = CommandSucceededPayload & { readonly error: ErrorData }
/** A command failed for good: no handler, a bad payload, a timeout, or its handler threw. */
export const CommandFailed: EventDefinition<CommandFailedPayload, CommandFailedPayload, false> =
  defineEvent<CommandFailedPayload>('buslane.command.failed', { failureEvent: true })

interface EventHandlerFailedPayload {
  readonly eventId: string
  readonly eventType: string
  readonly handler: string
  readonly priority: number
  readonly attempts: number
  readonly error: ErrorData
}
/** A handler of an event failed for good. */
export const EventHandlerFailed: EventDefinition<EventHandlerFailedPayload, EventHandlerFailedPayload, false> =
  defineEvent<EventHandlerFailedPayload>('buslane.event-handler.failed', { failureEvent: true })

interface SessionPayload {
  readonly sessionId: string
}
/** A session was opened. */
export const SessionStarted: EventDefinition<SessionPayload, SessionPayload, false> =
  defineEvent<SessionPayload>('buslane.session.started')

type SessionEndedPayload = SessionPayload & { readonly error?: ErrorData }
/** A session ended: the last event of the session. */
export const SessionEnded: EventDefinition<SessionEndedPayload, SessionEndedPayload, false> =
  defineEvent<SessionEndedPayload>('buslane.session.ended')

interface BackpressurePayload {
  readonly level: 'high' | 'normal'
  readonly waiting: number
  readonly capacity: number
}
/** The queue crossed its high-water mark, or came back below the low one. */
export const BackpressureChanged: EventDefinition<BackpressurePayload, BackpressurePayload, false> =
  defineEvent<BackpressurePayload>('buslane.backpressure.changed')

interface PersistencePayload {
  readonly reason: string
}
/** The store cannot be reached: in-memory traffic goes on, durable publishes are refused. */
export const PersistenceDegraded: EventDefinition<PersistencePayload, PersistencePayload, false> =
  defineEvent<PersistencePayload>('buslane.persistence.degraded')

/** The store is back. */
export const PersistenceRecovered: EventDefinition<PersistencePayload, PersistencePayload, false> =
  defineEvent<PersistencePayload>('buslane.persistence.recovered')

/** Any thrown value as plain data; never throws itself. */
export const errorData = (thrown: unknown): ErrorData => {
  try {
    if (!(thrown instanceof Error)) return { name: typeof thrown, message: String(thrown) }
    const { name, message, stack, code } = thrown as Error & { code?: unknown }
    return {
      name: String(name),
      message: String(message),
      ...(typeof code === 'string' && { code }),
      ...(typeof stack === 'string' && { stack }),
    }
  } catch {
    return { name: 'unknown', message: 'a value that cannot be read' }
  }
}
