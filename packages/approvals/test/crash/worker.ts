// A worker of the crash tests: see crash-options.ts for what it handles.
import { createBus } from '@buslane/core'
import { postgresPersistence } from '@buslane/persistence-postgres'
import { crashWorker, journaled, observedPersistence } from '@buslane/testkit/crash'
import { approvals } from '../../src/index.ts'
import { type Asking, COMMANDS, type CrashOptions, type Work } from './crash-options.ts'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

await crashWorker<CrashOptions>(async ({ options, journal, pauses }) => {
  const { connectionString, schema, handles = true } = options
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
  const desk = approvals()
  const bus = createBus({ persistence, logger: quiet, plugins: [desk] })
  const handler = journaled<Work>(journal, {
    name: 'work',
    priority: 50,
    run: async ({ pausesIn, failsIn = [] }, { attempt }) => {
      if (attempt === pausesIn) await pauses.at('mid-handler')
      if (failsIn.includes(attempt)) throw new Error(`attempt ${attempt} fails`)
    },
  })
  for (const command of handles ? Object.values(COMMANDS) : []) {
    bus.handle(command, async (message, context) => {
      await handler(message as never, context as never)
      return `done by ${process.pid}`
    })
  }
  await bus.start()
  return {
    stop: () => bus.stop(),
    ask: async ({ command, id, waits = false, work = {} }: Asking) => {
      const message = COMMANDS[command]({ lane: id, seq: 1, ...work })
      const result = await bus.execute(message, { approvalId: id, waitForApproval: waits })
      return result.success ? { value: result.value } : { code: result.error.code }
    },
    approve: ({ id, by }: { id: string; by: string }) => desk.approve(id, { by }),
    deny: ({ id, by }: { id: string; by: string }) => desk.deny(id, { by }),
    get: (id: string) => desk.get(id),
    counts: () => store.inspect.counts(),
    letters: () => store.deadLetters!.list(),
    replay: (key: string) => store.deadLetters!.replay(key),
  }
})
