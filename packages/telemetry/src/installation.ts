import type { EventMessage, Observer, PluginHost, PublishNext } from '@buslane/core'
import type { MeterProvider, TracerProvider } from '@opentelemetry/api'
import { CommandTraces } from './command-traces.ts'
import { ErrorTypes } from './error-type.ts'
import { EventLoopDelay } from './event-loop-delay.ts'
import { EventTraces } from './event-traces.ts'
import type { FailedIn } from './failed-in.ts'
import { Guard } from './guard.ts'
import { Instruments } from './instruments.ts'
import { MessageMetrics } from './message-metrics.ts'
import type { Settings } from './options.ts'
import { scrape, type Sources, StoreCounter } from './scrape.ts'
import { registeredMeterProvider, registeredTracerProvider, SCOPE } from './sdk.ts'
import { SignalMetrics } from './signal-metrics.ts'
import { Spans } from './spans.ts'
import { isSystemEvent } from './system-event.ts'
import { toMetadata } from './travelling-context.ts'

/** Telemetry on one bus: it waits until there is an SDK, and only then observes anything. */
export class Installation {
  readonly #host: PluginHost
  readonly #settings: Settings
  readonly #failedIn: FailedIn
  readonly #guard: Guard
  readonly #errorTypes = new ErrorTypes()
  readonly #monotonic: () => number
  #traces: EventTraces | undefined
  #metrics: MessageMetrics | undefined
  #waiting: Disposable | undefined
  #publishing = false

  constructor(host: PluginHost, settings: Settings, failedIn: FailedIn) {
    this.#host = host
    this.#settings = settings
    this.#failedIn = failedIn
    this.#guard = new Guard(host.logger)
    const { clock } = host
    this.#monotonic = () => clock.monotonic()
  }

  begin(): void {
    const host = this.#host
    this.#waiting = host.onCall(this.#look)
    host.onStart(this.#look)
    this.#look()
  }

  /** Begins what an SDK has come for, and stops looking once there is nothing left to begin. */
  readonly #look = (): void => {
    const { traces, metrics, tracerProvider, meterProvider } = this.#settings
    if (traces && this.#traces === undefined) {
      const provider = tracerProvider ?? registeredTracerProvider()
      if (provider !== undefined) this.#trace(provider)
    }
    if (metrics && this.#metrics === undefined) {
      const provider = meterProvider ?? registeredMeterProvider()
      if (provider !== undefined) this.#measure(provider)
    }
    if ((!traces || this.#traces !== undefined) && (!metrics || this.#metrics !== undefined)) {
      this.#waiting?.[Symbol.dispose]()
    }
  }

  #trace(provider: TracerProvider): void {
    const host = this.#host
    const tracer = this.#guard.run(() => provider.getTracer(SCOPE))
    if (tracer === undefined) return
    const spans = new Spans(tracer, this.#settings, this.#guard, this.#errorTypes)
    const events = new EventTraces(spans, this.#settings, this.#failedIn, this.#guard)
    const commands = new CommandTraces(spans, this.#failedIn)
    this.#traces = events
    host.observe(observerOf(events, commands))
    host.use({ event: events.around, command: commands.around })
    this.#watchPublishes()
  }

  #measure(provider: MeterProvider): void {
    const host = this.#host
    const instruments = this.#guard.run(() => new Instruments(provider.getMeter(SCOPE)))
    if (instruments === undefined) return
    const messages = new MessageMetrics(instruments.histograms, this.#settings, {
      guard: this.#guard,
      errorTypes: this.#errorTypes,
      monotonic: this.#monotonic,
      bus: host.name,
    })
    const signals = new SignalMetrics(host.signals, host.name)
    const sources: Sources = { host, messages, signals, eventLoop: new EventLoopDelay() }
    this.#metrics = messages
    signals.listen()
    host.observe(messages)
    this.#watchPublishes()
    this.#scrapeWhileInUse(instruments, sources)
  }

  /** A bus that was stopped is let go of, and has no figures; one that has yet to start has a buffer that may fill. */
  #scrapeWhileInUse(instruments: Instruments, sources: Sources): void {
    const { eventLoopDelay, storeCounts, storeCountsTimeoutMs } = this.#settings
    const host = this.#host
    const scraping: Disposable[] = []
    // Each by itself: what one of them throws must keep neither the others nor the bus.
    const scrapeBy = (read: Parameters<Instruments['onScrape']>[0]): void =>
      void this.#guard.run(() => scraping.push(instruments.onScrape(read)))
    const start = (): void => {
      if (scraping.length > 0) return
      if (eventLoopDelay) this.#guard.run(() => sources.eventLoop.start())
      const counter = new StoreCounter(host, this.#guard, storeCountsTimeoutMs)
      scrapeBy((tell) => {
        // One that was stopped without having been started runs no hooks.
        if (host.stats().state === 'stopped') stop()
        else this.#guard.run(() => scrape(sources, tell))
      })
      if (storeCounts) scrapeBy((tell) => counter.scrape(tell))
    }
    const stop = (): void => {
      for (const one of scraping.splice(0)) this.#guard.run(() => one[Symbol.dispose]())
      this.#guard.run(() => sources.eventLoop.stop())
    }
    host.onStart(start)
    host.onStop(stop)
    start()
  }

  #watchPublishes(): void {
    if (this.#publishing) return
    this.#publishing = true
    this.#host.use({ publish: this.#publish })
  }

  readonly #publish = (event: EventMessage, next: PublishNext): unknown => {
    if (isSystemEvent(event)) return next()
    const [traces, metrics] = [this.#traces, this.#metrics]
    const startedAt = metrics === undefined ? 0 : this.#monotonic()
    const sending = this.#guard.run(() => traces?.send(event))
    const receipt = next(sending && this.#carry(sending.context))
    void receipt
      .then(
        ({ status, durability }) => {
          if (status !== 'filtered' && status !== 'dropped') metrics?.sent(event, startedAt)
          if (sending?.span) traces!.sent(sending.span, status, durability)
        },
        (error: unknown) => {
          metrics?.sent(event, startedAt, { thrown: error })
          if (sending?.span) traces!.refused(sending.span, error)
        },
      )
      .then(undefined, this.#guard.failed)
    return receipt
  }

  #carry(context: Parameters<typeof toMetadata>[0]): Parameters<PublishNext>[0] {
    const metadata = this.#guard.run(() => toMetadata(context, this.#settings.baggage))
    return metadata === undefined ? undefined : { metadata }
  }
}

/** One observer for both, since each costs every notice a step. */
const observerOf = (events: EventTraces, commands: CommandTraces): Observer => ({
  eventAccepted: (event, facts) => events.eventAccepted(event, facts),
  eventStarted: (event, facts) => events.eventStarted(event, facts),
  attemptFailed: (event, handler, facts) => events.attemptFailed(event, handler, facts),
  handlerSettled: (event, outcome) => events.handlerSettled(event, outcome),
  eventSettled: (event) => events.eventSettled(event),
  commandStarted: (command) => commands.commandStarted(command),
  commandAttemptFailed: (command, facts) => commands.commandAttemptFailed(command, facts),
  commandSettled: (command, result) => commands.commandSettled(command, result),
})
