import type { Attributes, BatchObservableResult, Histogram, Meter, Observable } from '@opentelemetry/api'
import {
  BUCKETS,
  COUNTED,
  EVENT_LOOP,
  LAST_REPORTED,
  MEASURED,
  type MetricDefinition,
  OFFERED,
  READ,
  REPORTED,
  STORE_COUNTED,
  STORE_READ,
} from './metric-definitions.ts'
import type { Histograms } from './message-metrics.ts'

/** Tells a metric's value of this moment. */
export type Tell = (definition: MetricDefinition, value: number, attributes: Attributes) => void

/** The instruments of one meter, made from their definitions. */
export class Instruments {
  readonly histograms: Histograms
  readonly #meter: Meter
  readonly #observables = new Map<MetricDefinition, Observable>()

  constructor(meter: Meter) {
    this.#meter = meter
    const make = ({ name, unit, description }: MetricDefinition): Histogram =>
      meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries: BUCKETS } })
    this.histograms = {
      operation: make(MEASURED.operation),
      process: make(MEASURED.process),
      critical: make(MEASURED.critical),
      handler: make(MEASURED.handler),
      command: make(MEASURED.command),
    }
    for (const definitions of [
      COUNTED,
      READ,
      STORE_READ,
      STORE_COUNTED,
      REPORTED,
      LAST_REPORTED,
      OFFERED,
      EVENT_LOOP,
    ]) {
      for (const definition of Object.values(definitions)) {
        this.#observables.set(definition, this.#observable(definition))
      }
    }
  }

  /** Calls `read` at every scrape, until disposed of. */
  onScrape(read: (tell: Tell) => void | Promise<void>): Disposable {
    const observables = [...this.#observables.values()]
    const callback = (result: BatchObservableResult): void | Promise<void> =>
      read((definition, value, attributes) => {
        result.observe(this.#observables.get(definition)!, value, attributes)
      })
    this.#meter.addBatchObservableCallback(callback, observables)
    return { [Symbol.dispose]: () => this.#meter.removeBatchObservableCallback(callback, observables) }
  }

  #observable({ type, name, unit, description }: MetricDefinition): Observable {
    const options = { unit, description }
    if (type === 'observable-counter') return this.#meter.createObservableCounter(name, options)
    if (type === 'observable-up-down-counter') return this.#meter.createObservableUpDownCounter(name, options)
    return this.#meter.createObservableGauge(name, options)
  }
}
