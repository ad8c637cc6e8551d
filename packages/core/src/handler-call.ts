import type { AsyncFrame, FrameHolder } from './async-context.ts'
import type { CommandResult } from './command-result.ts'
import { type BusError, invalid } from './errors.ts'
import type { EventContext, HandlerContext } from './context.ts'
import type { Delivery } from './delivery.ts'
import type { CommandMessage, EventMessage, Message } from './message.ts'
import type { Counted } from './middleware.ts'
import type {
  ExecuteOptions,
  PublishAndWaitOptions,
  PublishOptions,
  PublishReceipt,
  ScheduleOptions,
} from './options.ts'
import type { EventOutcome } from './outcome.ts'
import type { HandlerRegistration } from './registry.ts'
import type { Step } from './routing.ts'
import type { ScheduledEvent } from './scheduler.ts'
import type { Timer } from './timers.ts'

/** The bus's verbs as a handler's context uses them: with the call that they are made from. */
export interface Verbs {
  publish(event: EventMessage, options: PublishOptions | undefined, call: HandlerCall): Promise<PublishReceipt>
  publishAndWait(
    event: EventMessage,
    options: PublishAndWaitOptions | undefined,
    call: HandlerCall,
  ): Promise<EventOutcome>
  execute<Result>(
    command: CommandMessage<unknown, Result>,
    options: ExecuteOptions | undefined,
    call: HandlerCall,
  ): Promise<CommandResult<Result>>
  schedule(event: EventMessage, options: ScheduleOptions, call: HandlerCall): Promise<ScheduledEvent>
}

/**
 * One handler at work on one message: its context, and what the bus keeps of it while it runs. One is made for every
 * handler of every event, so its fields are declared and written once, by the constructor.
 */
export class HandlerCall implements EventContext, Counted, FrameHolder {
  declare message: Message
  declare readonly step: Step | undefined
  /** The event whose handler this is, or runs inside of. */
  declare readonly delivery: Delivery | undefined
  declare attempts: number
  /** Settled, also if the function itself still runs because it ignores its signal. */
  declare ended: boolean
  declare frame: AsyncFrame | undefined
  /** What only few calls need. */
  declare more: CallDetails | undefined
  declare readonly verbs: Verbs

  constructor(verbs: Verbs, message: Message, delivery: Delivery | undefined, step: Step | undefined) {
    this.verbs = verbs
    this.message = message
    this.delivery = delivery
    this.step = step
    this.attempts = 0
    this.ended = false
    this.frame = undefined
    this.more = undefined
  }

  get holding(): HandlerCall {
    return this
  }

  /** The call that executed this one, for commands. */
  get caller(): HandlerCall | undefined {
    return this.more?.caller
  }

  /** Whether it, and everything that called it, is still at work. */
  get live(): boolean {
    return !this.ended && (this.caller?.live ?? true)
  }

  get attempt(): number {
    return this.attempts
  }

  get handler(): string {
    return this.step?.name ?? this.more?.registration?.name ?? ''
  }

  get priority(): number {
    return this.step!.priority
  }

  get sessionId(): string {
    return this.message.sessionId
  }

  get signal(): AbortSignal {
    const details = this.details()
    details.controller ??= new AbortController()
    if (details.reason) details.controller.abort(details.reason)
    return details.controller.signal
  }

  // Getters that make a closure when read: they can be destructured, and cost nothing until then.

  get publish(): HandlerContext['publish'] {
    return (event, options) => this.verbs.publish(event, options, this)
  }

  get publishAndWait(): HandlerContext['publishAndWait'] {
    return (event, options) => this.verbs.publishAndWait(event, options, this)
  }

  get execute(): HandlerContext['execute'] {
    return (command, options) => this.verbs.execute(command, options, this)
  }

  get schedule(): HandlerContext['schedule'] {
    return (event, options) => this.verbs.schedule(event, options, this)
  }

  get completeIn(): EventContext['completeIn'] {
    return async (transaction) => {
      const { step, delivery } = this
      if (!step || !delivery?.lease) {
        throw invalid(`completeIn() is for the handlers of durable events; '${this.message.type}' is in memory`)
      }
      await delivery.lease.completeIn(transaction, step.identity!, this.attempts)
    }
  }

  details(): CallDetails {
    return (this.more ??= { startedAt: 0, overflow: 0 })
  }

  /** Whether a store keeps the message. */
  get isStored(): boolean {
    return this.step !== undefined && this.delivery?.lease !== undefined
  }

  /** Another attempt begins: it has a signal of its own. */
  renew(): void {
    const { more } = this
    if (more) more.controller = more.reason = undefined
  }

  /** Raises the signal. The first reason stays. */
  abort(error: BusError): void {
    const details = this.details()
    if (details.reason) return
    details.reason = error
    details.controller?.abort(error)
  }
}

/** The calls and events that cannot end before `call` does: it, and all that wait for it. */
export const chainOf = (call: HandlerCall | undefined): ReadonlySet<HandlerCall | Delivery> => {
  const chain = new Set<HandlerCall | Delivery>()
  for (let above = call; above?.live; above = above.caller ?? above.delivery?.parent) {
    chain.add(above)
    if (above.delivery) chain.add(above.delivery)
  }
  return chain
}

/** What is kept of a call only when it is needed, because every handler of every event pays for the rest. */
interface CallDetails {
  startedAt: number
  /** How many events it published into a full queue. */
  overflow: number
  caller?: HandlerCall | undefined
  /** How many commands execute each other above this one. */
  depth?: number
  /** A command's handler. */
  registration?: HandlerRegistration
  /** The command before it was upcast and parsed, if that changed it. */
  input?: Message
  /** Waiting to run again. */
  retry?: Timer
  /** Ends a command with an error, now. */
  end?: (error: BusError) => void
  controller?: AbortController | undefined
  reason?: BusError | undefined
}
