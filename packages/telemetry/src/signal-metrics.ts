import type { Signal, SignalAttributes, Signals } from '@buslane/core'
import type { Attributes } from '@opentelemetry/api'
import type { Tell } from './instruments.ts'
import { Bounded, Sums } from './labels.ts'
import { LAST_REPORTED, type MetricDefinition, OFFERED, REPORTED, STORE_COUNTED } from './metric-definitions.ts'

// The names are agreed on, in docs/telemetry-metrics.md: neither package imports the other.

/** Reports that are summed up. */
const SUMMED: Readonly<Record<string, MetricDefinition>> = {
  'buslane.dead_lettered': REPORTED.deadLetters,
  'buslane.dead_letters.dropped': REPORTED.dropped,
  'buslane.dead_letters.unsaved': REPORTED.unsaved,
  'buslane.circuit.changed': REPORTED.circuitChanges,
  'buslane.handler.ran_away': REPORTED.runaways,
}

const CIRCUIT_STATES: Readonly<Record<string, number>> = { closed: 0, 'half-open': 1, open: 2 }

/** Gauges, which are read when somebody asks. */
const OFFERS: Readonly<Record<string, MetricDefinition>> = {
  'buslane.dead_letters.in_memory': STORE_COUNTED.deadLettersWaiting,
  'buslane.circuits.open': OFFERED.circuitsOpen,
}

/** What signals call their attributes, and what the labels are called. Others are left out: they may have any number of values. */
const LABELS: Readonly<Record<string, string>> = {
  type: 'messaging.destination.name',
  handler: 'buslane.handler.name',
  reason: 'buslane.dead_letter.reason',
  circuit: 'buslane.circuit.name',
  state: 'buslane.circuit.state',
}

/** How many values a label may have. */
const MAX_VALUES = 1000

/** What other plugins tell through signals, as metrics. */
export class SignalMetrics {
  readonly #signals: Signals
  readonly #bus: string
  readonly #sums = new Map<MetricDefinition, Sums>()
  readonly #last = new Map<string, Parameters<Tell>>()
  readonly #values = new Map<string, Bounded>()

  constructor(signals: Signals, bus: string) {
    this.#signals = signals
    this.#bus = bus
  }

  listen(): Disposable {
    return this.#signals.observe((signal) => this.#reported(signal))
  }

  scrape(tell: Tell): void {
    for (const [definition, sums] of this.#sums) {
      for (const { value, attributes } of sums.values()) tell(definition, value, attributes)
    }
    for (const told of this.#last.values()) tell(...told)
    for (const { name, value, attributes } of this.#signals.read()) {
      const definition = OFFERS[name]
      if (definition === undefined || !Number.isFinite(value)) continue
      const labels = this.#labels(attributes)
      // Those of the store are counted in the store.
      if (definition === STORE_COUNTED.deadLettersWaiting) labels['buslane.dead_letter.place'] = 'memory'
      tell(definition, value, labels)
    }
  }

  #reported({ name, value, attributes }: Signal): void {
    if (!Number.isFinite(value)) return
    const definition = SUMMED[name]
    if (definition !== undefined) {
      const labels = this.#labels(attributes)
      const sums = this.#sums.get(definition) ?? new Sums()
      this.#sums.set(definition, sums)
      sums.add(JSON.stringify(labels), value, () => labels)
    }
    if (name === 'buslane.intake.paused') this.#note(LAST_REPORTED.intakePaused, value, attributes)
    if (name === 'buslane.circuit.changed') {
      const { state, ...circuit } = attributes
      this.#note(LAST_REPORTED.circuitState, CIRCUIT_STATES[String(state)] ?? 0, circuit)
    }
  }

  #note(definition: MetricDefinition, value: number, attributes: SignalAttributes): void {
    const labels = this.#labels(attributes)
    this.#last.set(`${definition.name} ${JSON.stringify(labels)}`, [definition, value, labels])
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
