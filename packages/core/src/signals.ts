import { check, FUNCTION } from './check.ts'
import { isThenable, noop } from './thenable.ts'

/** Labels of a measurement. Keep the number of values small. */
export type SignalAttributes = Readonly<Record<string, string | number | boolean>>

/** A measurement that was reported, or a gauge that was read. */
export interface Signal {
  readonly name: string
  readonly value: number
  readonly attributes: SignalAttributes
}

/** Named measurements that plugins offer each other without knowing each other. */
export interface Signals {
  /** Tells every listener of a measurement, now. */
  report(name: string, value: number, attributes?: SignalAttributes): void
  /** Is told of every report. An error of the listener is counted and logged like an observer's. */
  observe(listener: (signal: Signal) => void): Disposable
  /** Offers a value that is read when somebody asks for it. */
  gauge(name: string, read: () => number, attributes?: SignalAttributes): Disposable
  /** Reads every gauge. */
  read(): readonly Signal[]
}

const NONE: SignalAttributes = Object.freeze({})

export const createSignals = (onError: (error: unknown) => void): Signals => {
  const listeners = new Set<(signal: Signal) => void>()
  const gauges = new Set<() => Signal>()
  const attempt = <T>(work: () => T): T[] => {
    try {
      const result = work()
      if (isThenable(result)) result.then(noop, onError)
      return [result]
    } catch (error) {
      onError(error)
      return []
    }
  }
  return {
    report(name, value, attributes = NONE) {
      for (const listener of listeners) attempt(() => listener({ name, value, attributes }))
    },
    observe: (listener) => {
      check('The listener of signals', listener, FUNCTION)
      return keep(listeners, (signal) => listener(signal))
    },
    gauge: (name, read, attributes = NONE) => {
      check(`The gauge '${name}'`, read, FUNCTION)
      return keep(gauges, () => ({ name, value: read(), attributes }))
    },
    read: () => [...gauges].flatMap((gauge) => attempt(gauge)),
  }
}

/** Adds to a set; disposing takes it out again. */
export const keep = <T>(set: Set<T>, item: T): Disposable => {
  set.add(item)
  return { [Symbol.dispose]: () => void set.delete(item) }
}
