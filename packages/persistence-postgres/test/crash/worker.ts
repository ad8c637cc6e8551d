// A worker of the crash tests and of the soak: see crash-options.ts for what it handles.
import { createBus, type Plugin } from '@buslane/core'
import { crashWorker, journaled, observedPersistence, type Pauses, type WorkerTools } from '@buslane/testkit/crash'
import { pglitePersistence } from '../../src/pglite.ts'
import { type PostgresPersistence, postgresPersistence } from '../../src/index.ts'
import { type CrashOptions, Fragile, HANDLERS, MAX_ATTEMPTS, type Work, Worked } from './crash-options.ts'
import { pausingPool } from './pausing-pool.ts'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

const retries: Plugin = {
  name: 'retries',
  install: (host) =>
    host.onFailure(({ attempts }) =>
      attempts < MAX_ATTEMPTS ? { action: 'retry', delayMs: attempts === 2 ? 1100 : 20 } : { action: 'fail' },
    ),
}

await crashWorker<CrashOptions>(async ({ options, journal, pauses }) => {
  const persistence = observedPersistence(openStore(options, pauses), { journal, pauses })
  const bus = createBus({
    persistence,
    logger: quiet,
    concurrency: 20,
    lane: ({ payload }) => (payload as Work).lane,
    plugins: [retries],
  })
  for (const { name, priority } of options.handles === false ? [] : HANDLERS) {
    const handler = journaled<Work>(journal, {
      name,
      priority,
      maxAttempts: MAX_ATTEMPTS,
      run: async (payload, { attempt }) => {
        fail(payload, name, attempt)
        await work(payload, name, pauses)
      },
    })
    bus.on(Worked, handler, { name, priority })
    bus.on(Fragile, handler, { name, priority })
  }
  await bus.start()
  return {
    stop: () => bus.stop(),
    publish: (payload: Work) => bus.publish(Worked(payload)),
    publishFragile: (payload: Work) => bus.publish(Fragile(payload)),
    replay: (key: string) => persistence.deadLetters!.replay(key),
    counts: () => persistence.inspect.counts(),
    letters: async () => (await persistence.deadLetters!.list()).entries,
  }
})

function openStore(options: CrashOptions, pauses: WorkerTools<CrashOptions>['pauses']): PostgresPersistence {
  const { connectionString, dataDir, schema, leaseMs } = options
  const common = { schema, leaseMs, sweepMs: 200, pollMs: 200, logger: quiet }
  if (dataDir !== undefined) return pglitePersistence({ ...common, dataDir })
  if (options.pausesMigration) return postgresPersistence({ ...common, pool: pausingPool(connectionString!, pauses) })
  return postgresPersistence({ ...common, connectionString: connectionString!, maxConnections: 4 })
}

/** What the event asks for goes wrong. */
function fail({ fails, failsUntil = Infinity }: Work, handler: string, attempt: number): void {
  if (fails === handler && attempt < failsUntil) throw new Error(`${handler} fails`)
}

async function work({ ms, does, doesIn }: Work, handler: string, pauses: Pauses): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
  if (handler !== doesIn) return
  await pauses.at('mid-handler')
  if (does === 'exit') process.exit(1)
  // The process lives, and says nothing any more.
  if (does === 'block') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)
}
