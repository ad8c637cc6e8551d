import type {
  CommandMessage,
  CommandResult,
  EventMessage,
  HandlerFacts,
  HandlerOutcome,
  Message,
  Observer,
} from '@buslane/core'
import type { Attributes, Histogram } from '@opentelemetry/api'
import type { ErrorTypes } from './error-type.ts'
import type { Guard } from './guard.ts'
import { Bounded, Sums } from './labels.ts'
import { type COUNTED, MEASURED } from './metric-definitions.ts'
import type { Settings } from './options.ts'
import { isPending } from './pending.ts'
import { isSystemEvent } from './system-event.ts'

/** The histograms of {@link MEASURED}. */
export type Histograms = { readonly [Name in keyof typeof MEASURED]: Histogram }

interface Processing {
  readonly startedAt: number
  readonly waitedMs: number
  /** Handlers that have started and not settled: what is left of them when the event settles is tried again from the store. */
  open: number
  error: unknown
  failed: boolean
}

/** Counts and times events and commands as they pass. */
export class MessageMetrics implements Observer {
  readonly sums: { readonly [Name in keyof typeof COUNTED]: Sums } = {
    sent: new Sums(),
    consumed: new Sums(),
    retries: new Sums(),
  }
  readonly #histograms: Histograms
  readonly #settings: Settings
  readonly #guard: Guard
  readonly #errorTypes: ErrorTypes
  readonly #monotonic: () => number
  readonly #bus: string
  readonly #types: Bounded
  readonly #handlers = new Bounded(1000)
  readonly #processing = new Map<EventMessage, Processing>()

  constructor(
    histograms: Histograms,
    settings: Settings,
    {
      guard,
      errorTypes,
      monotonic,
      bus,
    }: {
      readonly guard: Guard
      readonly errorTypes: ErrorTypes
      readonly monotonic: () => number
      readonly bus: string
    },
  ) {
    this.#histograms = histograms
    this.#settings = settings
    this.#guard = guard
    this.#errorTypes = errorTypes
    this.#monotonic = monotonic
    this.#bus = bus
    this.#types = new Bounded(settings.maxTypes)
  }

  /** An event was accepted, or refused with `error`. */
  sent(event: EventMessage, startedAt: number, error?: { readonly thrown: unknown }): void {
    if (!this.#measures(event)) return
    const attributes = this.#messaging(event, 'send', error)
    this.#add('sent', attributes)
    this.#record('operation', this.#monotonic() - startedAt, { ...attributes, 'messaging.operation.type': 'send' })
  }

  eventStarted(event: EventMessage, { waitedMs }: { readonly waitedMs: number }): void {
    if (!this.#measures(event)) return
    this.#add('consumed', this.#messaging(event, 'process'))
    const startedAt = this.#monotonic()
    this.#processing.set(event, { startedAt, waitedMs, open: 0, error: undefined, failed: false })
  }

  handlerStarted(event: EventMessage): void {
    const processing = this.#processing.get(event)
    if (processing !== undefined) processing.open++
  }

  attemptFailed(event: EventMessage, handler: HandlerFacts, { retryInMs }: { readonly retryInMs?: number }): void {
    if (retryInMs !== undefined && this.#processing.has(event)) this.#retried(event, handler.name)
  }

  handlerSettled(event: EventMessage, outcome: HandlerOutcome): void {
    const processing = this.#processing.get(event)
    if (processing === undefined) return
    processing.open--
    const failed = 'error' in outcome
    if (failed) {
      processing.failed = true
      processing.error ??= outcome.error
    }
    if (!this.#settings.handlers) return
    const attributes: Attributes = {
      'messaging.destination.name': this.#types.of(event.type),
      'buslane.handler.name': this.#handlers.of(outcome.name),
      'buslane.handler.priority': outcome.priority,
      'buslane.bus': this.#bus,
    }
    if (failed) attributes['error.type'] = this.#errorTypes.of(outcome.error)
    this.#record('handler', outcome.durationMs, attributes)
  }

  eventSettled(event: EventMessage): void {
    const processing = this.#processing.get(event)
    if (processing === undefined) return
    this.#processing.delete(event)
    const { startedAt, waitedMs, open, failed, error } = processing
    const durationMs = this.#monotonic() - startedAt
    this.#record('process', durationMs, this.#messaging(event, 'process', failed ? { thrown: error } : undefined))
    if (open > 0) return
    const type = this.#types.of(event.type)
    this.#record('critical', waitedMs + durationMs, { 'messaging.destination.name': type, 'buslane.bus': this.#bus })
  }

  commandAttemptFailed(command: CommandMessage, { retryInMs }: { readonly retryInMs?: number }): void {
    if (retryInMs !== undefined && this.#measures(command)) this.#retried(command, 'command')
  }

  commandSettled(
    command: CommandMessage,
    result: CommandResult<unknown>,
    { durationMs }: { readonly durationMs: number },
  ): void {
    if (!this.#measures(command)) return
    const attributes: Attributes = { 'buslane.command.type': this.#types.of(command.type), 'buslane.bus': this.#bus }
    if (!result.success && !isPending(result)) attributes['error.type'] = this.#errorTypes.of(result.error)
    this.#record('command', durationMs, attributes)
  }

  #measures(message: Message): boolean {
    if (isSystemEvent(message)) return false
    const { measure } = this.#settings
    return measure === undefined || this.#guard.run(() => measure(message)) !== false
  }

  #messaging({ type }: Message, operation: 'send' | 'process', error?: { readonly thrown: unknown }): Attributes {
    const attributes: Attributes = {
      'messaging.system': 'buslane',
      'messaging.operation.name': operation,
      'messaging.destination.name': this.#types.of(type),
      'buslane.bus': this.#bus,
    }
    if (error !== undefined) attributes['error.type'] = this.#errorTypes.of(error.thrown)
    return attributes
  }

  #retried({ type }: Message, handler: string): void {
    const [destination, name] = [this.#types.of(type), this.#handlers.of(handler)]
    this.sums.retries.add(`${destination} ${name}`, 1, () => ({
      'messaging.destination.name': destination,
      'buslane.handler.name': name,
      'buslane.bus': this.#bus,
    }))
  }

  #add(sum: 'sent' | 'consumed', attributes: Attributes): void {
    const { 'messaging.destination.name': type, 'error.type': error = '' } = attributes
    this.sums[sum].add(`${type as string} ${error as string}`, 1, () => attributes)
  }

  #record(histogram: keyof Histograms, durationMs: number, attributes: Attributes): void {
    try {
      this.#histograms[histogram].record(durationMs / 1000, attributes)
    } catch (error) {
      this.#guard.failed(error)
    }
  }
}
