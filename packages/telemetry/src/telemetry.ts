import type { Logger, Plugin, PluginHost, PluginOptions } from '@buslane/core'
import { FailedIn } from './failed-in.ts'
import { Installation } from './installation.ts'
import { checkLogger, type Settings, readOptions, type TelemetryOptions } from './options.ts'
import { traceLogger } from './trace-logger.ts'

/** The plugin, and the logger that goes with it. */
export interface Telemetry extends Plugin {
  /**
   * A logger that adds `trace_id`, `span_id` and `trace_flags` to the fields of each line that is written in a span, or that
   * tells of an error thrown in one; the other lines go through as they are.
   *
   * @throws {BusError} `INVALID_ARGUMENT`
   */
  logger(logger: Logger): Logger
}

class TelemetryPlugin implements Telemetry {
  readonly name = 'telemetry'
  readonly options: PluginOptions = {}
  readonly #settings: Settings
  readonly #failedIn = new FailedIn()

  constructor(settings: Settings) {
    this.#settings = settings
  }

  install(host: PluginHost): void {
    new Installation(host, this.#settings, this.#failedIn).begin()
  }

  logger(logger: Logger): Logger {
    checkLogger(logger)
    return traceLogger(logger, this.#failedIn)
  }
}

/**
 * OpenTelemetry traces and metrics of all that passes through a bus: `createBus({ plugins: [telemetry()] })`.
 *
 * - *Without an SDK* it does nothing, and costs next to nothing. One that is registered later is found at the next publish,
 *   execute or claim.
 * - *Failure*: a hook, a processor or an exporter that throws is logged once, and harms nothing.
 * - One plugin may serve several buses; the label `buslane.bus` has their names.
 *
 * @throws {BusError} `INVALID_ARGUMENT` with the option's name.
 * @example
 * const observability = telemetry({ baggage: ['tenant'] })
 * observability.name // => 'telemetry'
 */
export const telemetry = (options: TelemetryOptions = {}): Telemetry => new TelemetryPlugin(readOptions(options))
