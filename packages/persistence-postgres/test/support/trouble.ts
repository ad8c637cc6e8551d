import { type Bus, createBus, defineEvent, type Logger, PersistenceDegraded, PersistenceRecovered } from '@buslane/core'
import { postgresPersistence, type PostgresOptions } from '../../src/index.ts'

export const Kept = defineEvent<{ n: number }>('trouble.kept', { durable: true })
export const Plain = defineEvent<{ n: number }>('trouble.plain')

let schemas = 0

/** A bus on a database that is going to be in trouble, and what is seen of it. */
export const troubledBus = (options: PostgresOptions) => {
  const logger = recordingLogger()
  const seen: string[] = []
  const schema = `trouble_${++schemas}`
  const persistence = postgresPersistence({ schema, connectMs: 1000, logger, ...options })
  const bus = createBus({ persistence, logger, lane: () => undefined })
  bus.on(Kept, ({ payload }) => void seen.push(`kept ${payload.n}`), { name: 'kept' })
  bus.on(Plain, ({ payload }) => void seen.push(`plain ${payload.n}`), { name: 'plain' })
  bus.on(PersistenceDegraded, () => void seen.push('degraded'))
  bus.on(PersistenceRecovered, () => void seen.push('recovered'))
  return { bus, persistence, schema, logger, seen }
}

const recordingLogger = (): Logger & { readonly lines: string[] } => {
  const lines: string[] = []
  const add = (_fields: object, message: string): void => void lines.push(message)
  return { lines, debug: () => {}, info: add, warn: add, error: add }
}

/** Publishes durable events, so many at once, until it is stopped; then gives those that were accepted. */
export const publishing = (bus: Bus, atOnce = 20) => {
  const accepted: number[] = []
  let n = 0
  let stopped = false
  const publishOne = async (): Promise<void> => {
    const mine = ++n
    const receipt = await bus.publish(Kept({ n: mine })).catch(() => undefined)
    accepted.push(...(receipt ? [mine] : []))
  }
  const ended = (async () => {
    while (!stopped) {
      await Promise.all(Array.from({ length: atOnce }, publishOne))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  return {
    accepted,
    async stop(): Promise<readonly number[]> {
      stopped = true
      await ended
      return accepted
    },
  }
}
