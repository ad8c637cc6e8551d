import type {
  EventContext,
  EventMessage,
  HandlerFacts,
  HandlerOutcome,
  Middleware,
  Observer,
  PublishReceipt,
} from '@buslane/core'
import { type Context, context as active, propagation, ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api'
import { isSystemEvent } from './system-event.ts'
import type { FailedIn } from './failed-in.ts'
import type { Guard } from './guard.ts'
import type { Settings } from './options.ts'
import type { Spans } from './spans.ts'
import { isThenable } from './thenable.ts'
import { fromMetadata } from './travelling-context.ts'

/** An event at work. */
interface Processing {
  /** What its handlers run in: that of the span, if it has one. */
  readonly context: Context
  readonly span: Span | undefined
  /** Runs of handlers that have not ended, by their spans: one that ignores its signal may overlap with its next attempt. */
  open: Map<Span, EventContext> | undefined
  failed: number
  error: unknown
}

/** The spans of events: one sends, one processes, and one handles for each handler. */
export class EventTraces implements Pick<
  Observer,
  'eventAccepted' | 'eventStarted' | 'attemptFailed' | 'handlerSettled' | 'eventSettled'
> {
  readonly #spans: Spans
  readonly #settings: Settings
  readonly #failedIn: FailedIn
  readonly #guard: Guard
  /** Those that wait in memory for their time. Weak, because not every event that is accepted is started. */
  readonly #scheduled = new WeakSet<EventMessage>()
  readonly #processing = new Map<EventMessage, Processing>()

  constructor(spans: Spans, settings: Settings, failedIn: FailedIn, guard: Guard) {
    this.#spans = spans
    this.#settings = settings
    this.#failedIn = failedIn
    this.#guard = guard
  }

  /** Begins a `send`: its span, and the context that the event is to carry. */
  send(event: EventMessage): { readonly span: Span | undefined; readonly context: Context } {
    const around = active.active()
    // An event that is passed on from elsewhere brings its trace along; code that runs in a span knows better.
    const parent = trace.getSpanContext(around) === undefined ? this.#carried(event, around) : around
    const span = this.#spans.start({ operation: 'send', message: event, parent })
    return { span, context: span === undefined ? parent : trace.setSpan(parent, span) }
  }

  sent(span: Span, status: PublishReceipt['status'], durability: PublishReceipt['durability']): void {
    this.#spans.end(span, { 'buslane.publish.status': status, 'buslane.publish.durability': durability })
  }

  refused(span: Span, error: unknown): void {
    this.#spans.fail(span, error)
  }

  eventAccepted(event: EventMessage, { dueAt }: { readonly dueAt?: number }): void {
    if (dueAt !== undefined) this.#scheduled.add(event)
  }

  eventStarted(event: EventMessage, { nested, stored }: { readonly nested: boolean; readonly stored: boolean }): void {
    if (isSystemEvent(event)) return
    const runsSoon = nested || !(stored || this.#scheduled.has(event))
    const isChild = runsSoon && (nested || this.#settings.inMemory === 'child')
    const origin = fromMetadata(event.metadata, this.#settings.baggage, !runsSoon)
    const around = isChild ? origin : onlyBaggage(origin)
    const sender = isChild ? undefined : trace.getSpanContext(origin)
    const link = sender && { context: sender }
    const span = this.#spans.start({ operation: 'process', message: event, parent: around, link })
    // Left out by a hook, what is inside belongs to the sender.
    const context = span === undefined ? origin : trace.setSpan(around, span)
    this.#processing.set(event, { context, span, open: undefined, failed: 0, error: undefined })
  }

  /** Around every handler: its span, and the context that its own calls nest in. */
  readonly around: NonNullable<Middleware['event']> = (event, call, next) => {
    const processing = this.#processing.get(event)
    if (processing === undefined) return next()
    const span = this.#guard.run(() => this.#handlerSpan(event, call, processing))
    if (span === undefined) return active.with(processing.context, next)
    let result: unknown
    try {
      result = active.with(trace.setSpan(processing.context, span), next)
    } catch (error) {
      this.#handlerFailed(processing, span, error)
      throw error
    }
    if (!isThenable(result)) {
      this.#handled(processing, span)
      return result
    }
    return Promise.resolve(result).then(
      (value) => {
        this.#handled(processing, span)
        return value
      },
      (error: unknown) => {
        this.#handlerFailed(processing, span, error)
        throw error
      },
    )
  }

  attemptFailed(event: EventMessage, handler: HandlerFacts, { retryInMs }: { readonly retryInMs?: number }): void {
    const span = this.#processing.get(event)?.span
    if (span === undefined || retryInMs === undefined) return
    this.#spans.note(span, 'buslane.retry', {
      'buslane.handler.name': handler.name,
      'buslane.handler.attempt': handler.attempt,
      'buslane.retry.delay': retryInMs / 1000,
    })
  }

  handlerSettled(event: EventMessage, outcome: HandlerOutcome): void {
    const processing = this.#processing.get(event)
    if (processing === undefined || !('error' in outcome)) return
    processing.failed++
    processing.error ??= outcome.error
    this.#failedIn.note(outcome.error, processing.span)
  }

  eventSettled(event: EventMessage): void {
    const processing = this.#processing.get(event)
    if (processing === undefined) return
    this.#processing.delete(event)
    // Their time was over, but they ignore their signal.
    const { span, open, failed, error } = processing
    for (const [handlerSpan, call] of open ?? []) this.#spans.fail(handlerSpan, call.signal.reason)
    open?.clear()
    if (span === undefined) return
    if (failed === 0) this.#spans.end(span)
    else this.#spans.fail(span, error, { 'buslane.handlers.failed': failed })
  }

  #handlerSpan(message: EventMessage, call: EventContext, processing: Processing): Span | undefined {
    const { context, span: around } = processing
    // What is inside of a span that is not sampled is not sampled either: no need to ask the SDK.
    if (!this.#settings.handlers || around?.isRecording() === false) return undefined
    // The attempt is counted by the innermost step.
    const handler = { name: call.handler, priority: call.priority, attempt: call.attempt + 1 }
    const span = this.#spans.start({ operation: 'handle', message, parent: context, handler })
    if (span !== undefined) (processing.open ??= new Map()).set(span, call)
    return span
  }

  #handled({ open }: Processing, span: Span): void {
    if (open?.delete(span)) this.#spans.end(span)
  }

  #handlerFailed({ open }: Processing, span: Span, error: unknown): void {
    this.#guard.run(() => this.#failedIn.note(error, span))
    if (open?.delete(span)) this.#spans.fail(span, error)
  }

  /** `around`, with the span that the event names. */
  #carried({ metadata }: EventMessage, around: Context): Context {
    if (metadata['traceparent'] === undefined) return around
    const span = trace.getSpanContext(fromMetadata(metadata, [], true))
    return span === undefined ? around : trace.setSpanContext(around, span)
  }
}

const onlyBaggage = (context: Context): Context => {
  const baggage = propagation.getBaggage(context)
  return baggage === undefined ? ROOT_CONTEXT : propagation.setBaggage(ROOT_CONTEXT, baggage)
}
