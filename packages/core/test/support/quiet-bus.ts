import { type Bus, type BusOptions, createBus } from '../../src/index.ts'
import { recordingLogger } from './recording-logger.ts'

/** A bus that has started and keeps its log to itself. */
export const runningBus = async (options: BusOptions = {}): Promise<Bus> => {
  const bus = quietBus(options)
  await bus.start()
  return bus
}

/** A bus that has not started and keeps its log to itself. */
export const quietBus = (options: BusOptions = {}): Bus => createBus({ logger: recordingLogger(), ...options })
