// A worker of the crash tests: see crash-options.ts for what it handles.
import { createBus } from '@buslane/core'
import { postgresPersistence } from '@buslane/persistence-postgres'
import { crashWorker, journaled, observedPersistence } from '@buslane/testkit/crash'
import { resilience } from '../../src/index.ts'
import { type CrashOptions, Do, MAX_ATTEMPTS, type Work, Worked } from './crash-options.ts'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

await crashWorker<CrashOptions>(async ({ options: { connectionString, schema }, journal, pauses }) => {
  const store = postgresPersistence({
    connectionString,
    schema,
    maxConnections: 4,
    leaseMs: 1000,
    sweepMs: 200,
    pollMs: 200,
    logger: quiet,
  })
  const persistence = observedPersistence(store, { journal, pauses })
  const guard = resilience({ retry: { maxRetries: MAX_ATTEMPTS - 1, initialDelayMs: 10, jitter: 'none' } })
  const lane = ({ payload }: { readonly payload: unknown }): string => (payload as Work).lane
  const bus = createBus({ persistence, logger: quiet, lane, plugins: [guard] })
  const handler = journaled<Work>(journal, {
    name: 'work',
    priority: 50,
    maxAttempts: MAX_ATTEMPTS,
    run: async ({ failsIn = [], pausesIn, exits }, { attempt }) => {
      if (exits) process.exit(1)
      if (attempt === pausesIn) await pauses.at('mid-handler')
      if (failsIn.includes(attempt)) throw new Error(`attempt ${attempt} fails`)
    },
  })
  bus.on(Worked, handler, { name: 'work' })
  bus.handle(Do, async (command, context) => {
    await handler(command as never, context as never)
  })
  await bus.start()
  return {
    stop: () => bus.stop(),
    publish: (payload: Work) => bus.publish(Worked(payload)),
    execute: async (payload: Work) => (await bus.execute(Do(payload))).success,
    replay: () => guard.deadLetters.replay({}),
    counts: () => store.inspect.counts(),
    letters: async () => (await guard.deadLetters.list()).entries,
  }
})
