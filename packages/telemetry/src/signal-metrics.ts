import type { Signal, SignalAttributes, Signals } from '@buslane/core'
import type { Attributes } from '@opentelemetry/api'
import { Bounded, Sums } from './labels.ts'
import { type MetricDefinition, OFFERED, REPORTED, STORE_COUNTED } from './metric-definitions.ts'

/** What signals call their attributes, and what the labels are called. Others are left out: they may have any number of values. */
const LABELS: Readonly<Record<string, string>> = {
  type: 'messaging.destination.name',
  handler: 'buslane.handler.name',
  reason: 'buslane.dead_letter.reason',
  state: 'buslane.circuit.state',
}

/** How many values a label may have. */
const MAX_VALUES = 1000

/** What other plugins tell through signals: a signal whose name is that of a metric becomes that metric. */
export class SignalMetrics {
  /** Of what was reported, by the name of the metric. */
  readonly sums: ReadonlyMap<string, Sums> = new Map(Object.values(REPORTED).map(({ name }) => [name, new Sums()]))
  readonly #signals: Signals
  readonly #bus: string
  readonly #values = new Map<string, Bounded>()

  constructor(signals: Signals, bus: string) {
    this.#signals = signals
    this.#bus = bus
  }

  listen(): Disposable {
    return this.#signals.observe(({ name, value, attributes }) => {
      const sums = this.sums.get(name)
      if (sums === undefined || !Number.isFinite(value)) return
      const labels = this.#labels(attributes)
      sums.add(JSON.stringify(labels), value, () => labels)
    })
  }

  /** The gauges that plugins offer, read now. Several of one kind and one set of labels count as the last. */
  read(): readonly { readonly definition: MetricDefinition; readonly value: number; readonly labels: Attributes }[] {
    return this.#signals.read().flatMap((signal) => this.#offered(signal))
  }

  #offered({ name, value, attributes }: Signal) {
    const definition = GAUGES.find((gauge) => gauge.name === name)
    if (definition === undefined || !Number.isFinite(value)) return []
    const labels = this.#labels(attributes)
    // Those of the store are counted in the store.
    if (definition === STORE_COUNTED.deadLettersWaiting) labels['buslane.dead_letter.place'] = 'memory'
    return [{ definition, value, labels }]
  }

  #labels(attributes: SignalAttributes): Attributes {
    const labels: Attributes = { 'buslane.bus': this.#bus }
    for (const [name, label] of Object.entries(LABELS)) {
      const value = attributes[name]
      if (value !== undefined) labels[label] = this.#bounded(label).of(String(value))
    }
    return labels
  }

  #bounded(label: string): Bounded {
    const known = this.#values.get(label) ?? new Bounded(MAX_VALUES)
    this.#values.set(label, known)
    return known
  }
}

const GAUGES: readonly MetricDefinition[] = [...Object.values(OFFERED), STORE_COUNTED.deadLettersWaiting]
