import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import { STEPS, workOf } from '../message.ts'
import { countRows, freshPool } from '../pool.ts'
import type { DurableQueue } from '../queue.ts'

const SCHEMA = 'bench_graphile'

/** With what its documentation says about performance: a local queue, and completions in batches. */
export const graphileWorker: DurableQueue = {
  name: 'graphile-worker',
  caveat: 'one handler per job, no groups; after a crash a job waits 4 hours for its lock to expire',
  async open({ databaseUrl }, begins = 'empty') {
    const pool = await freshPool(databaseUrl, ...(begins === 'empty' ? [SCHEMA] : []))
    const preset = {
      worker: {
        schema: SCHEMA,
        logger: new Logger(() => () => undefined),
        concurrentJobs: 24,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    }
    const utils = await makeWorkerUtils({ pgPool: pool, preset })
    await utils.migrate()
    return {
      publish: (n) => utils.addJob('tick', workOf(n)),
      publishMany: (from, count) =>
        utils.addJobs(Array.from({ length: count }, (_, n) => ({ identifier: 'tick', payload: workOf(from + n) }))),
      publishIn: (client, n) => client.query(`select ${SCHEMA}.add_job('tick', $1)`, [JSON.stringify(workOf(n))]),
      async startHandling(handle) {
        const tick = async (job: unknown): Promise<void> => {
          const { n } = job as { readonly n: number }
          for (let step = 1; step < STEPS; step++) await Promise.resolve()
          await handle(n)
        }
        const runner = await run({ pgPool: pool, preset, taskList: { tick }, noHandleSignals: true })
        return { stop: () => runner.stop(), ended: runner.promise }
      },
      left: () => countRows(pool, `${SCHEMA}._private_jobs`),
      clear: async () => void (await pool.query(`truncate ${SCHEMA}._private_jobs`)),
      close: async () => {
        await utils.release()
        await pool.end()
      },
    }
  },
}
