import { type Bus, type BusOptions, createBus, type Logger } from '@buslane/core'
import { type Resilience, resilience, type ResilienceOptions } from '../../src/index.ts'
import { VirtualClock } from './virtual-clock.ts'

export interface GuardedBus {
  readonly bus: Bus
  readonly guard: Resilience
  readonly clock: VirtualClock
  readonly logged: string[]
}

/** A bus that has started, with a guard and a clock that moves only when told to. */
export const guardedBus = async (options: ResilienceOptions = {}, busOptions: BusOptions = {}): Promise<GuardedBus> => {
  const clock = new VirtualClock()
  const guard = resilience({ random: () => 0.5, ...options })
  const logged: string[] = []
  const bus = createBus({ clock, logger: keeping(logged), plugins: [guard], ...busOptions })
  await bus.start()
  return { bus, guard, clock, logged }
}

/** A logger that keeps its lines to itself. */
export const keeping = (lines: string[] = []): Logger => {
  const keep = (_fields: object, message: string): void => void lines.push(message)
  return { debug: keep, info: keep, warn: keep, error: keep }
}

/** Fails as often as there are errors, and does its work then. */
export const failing = (
  ...errors: readonly unknown[]
): { readonly runs: number[]; handle: (...given: any[]) => void } => {
  const runs: number[] = []
  return {
    runs,
    handle: (_message, { attempt }) => {
      runs.push(attempt)
      const error = errors[runs.length - 1]
      if (runs.length <= errors.length) throw error
    },
  }
}

/** Fails each time. */
export const broken = (error: unknown = new Error('no luck')): { runs: number; handle: () => never } => {
  const handler = {
    runs: 0,
    handle: (): never => {
      handler.runs++
      throw error
    },
  }
  return handler
}
