import { defineEvent, type EventDefinition } from '@buslane/core'

// Written with their types, because packages are compiled declaration by declaration.

/** What the events about a dead letter say. */
export interface DeadLetteredPayload {
  readonly messageId: string
  readonly messageType: string
  readonly sessionId: string
  /** Who failed; `undefined` if nobody is to blame. */
  readonly handler: string | undefined
  readonly reason: string
  readonly attempts: number
  readonly error: { readonly name: string; readonly message: string } | undefined
}

type DeadLettered = EventDefinition<DeadLetteredPayload, DeadLetteredPayload, false>

/** An event went to the dead letters. Handlers of it that fail set off nothing (R-ERR-3). */
export const EventDeadLettered: DeadLettered = defineEvent<DeadLetteredPayload>('buslane.event.dead-lettered', {
  failureEvent: true,
})

/** A command went to the dead letters. Handlers of it that fail set off nothing (R-ERR-3). */
export const CommandDeadLettered: DeadLettered = defineEvent<DeadLetteredPayload>('buslane.command.dead-lettered', {
  failureEvent: true,
})

/** What the events about a circuit say. */
export interface CircuitPayload {
  readonly circuit: string
}

type CircuitEvent<Payload> = EventDefinition<Payload, Payload, false>
type CircuitOpenedPayload = CircuitPayload & { readonly openForMs: number }

/** A circuit opened: calls are refused for so long. */
export const CircuitOpened: CircuitEvent<CircuitOpenedPayload> = defineEvent<CircuitOpenedPayload>(
  'buslane.circuit.opened',
  { failureEvent: true },
)

/** A circuit lets its probes through. */
export const CircuitHalfOpened: CircuitEvent<CircuitPayload> =
  defineEvent<CircuitPayload>('buslane.circuit.half-opened')

/** A circuit closed: calls go through again. */
export const CircuitClosed: CircuitEvent<CircuitPayload> = defineEvent<CircuitPayload>('buslane.circuit.closed')

interface RanAwayPayload {
  readonly messageId: string
  readonly messageType: string
  readonly sessionId: string
  readonly handler: string
  readonly timeoutMs: number
}

/** A handler ignored its signal after its timeout: it runs on, and nobody waits for it any more. */
export const HandlerRanAway: EventDefinition<RanAwayPayload, RanAwayPayload, false> = defineEvent<RanAwayPayload>(
  'buslane.handler.ran-away',
  { failureEvent: true },
)

interface IntakePayload {
  readonly messageType: string
}

/** The claiming of a type was stopped, because too many of its handlers fail. */
export const IntakePaused: EventDefinition<IntakePayload, IntakePayload, false> = defineEvent<IntakePayload>(
  'buslane.intake.paused',
  { failureEvent: true },
)

/** The type is claimed again. */
export const IntakeResumed: EventDefinition<IntakePayload, IntakePayload, false> =
  defineEvent<IntakePayload>('buslane.intake.resumed')

interface LetterMovedPayload {
  readonly key: string
  readonly action: 'replayed' | 'discarded'
  /** Who did it, as he said. */
  readonly by: string
}

/** Somebody replayed or discarded a dead letter. */
export const DeadLetterMoved: EventDefinition<LetterMovedPayload, LetterMovedPayload, false> =
  defineEvent<LetterMovedPayload>('buslane.dead-letter.moved')
