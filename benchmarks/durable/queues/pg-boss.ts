import { PgBoss } from 'pg-boss'
import { STEPS, type Work, workOf } from '../message.ts'
import { freshPool } from '../pool.ts'
import { CONNECTIONS, type DurableQueue } from '../queue.ts'

const SCHEMA = 'bench_boss'
const QUEUE = 'tick'
/** Notifications, batches, and no pause while batches are full: what its documentation says about latency and throughput. */
const WORK = { batchSize: 500, burstWhenBatchFull: true, localConcurrency: 2, pollingIntervalSeconds: 0.5 } as const

export const pgBoss: DurableQueue = {
  name: 'pg-boss',
  caveat:
    'one handler per job, no groups; after a crash a job waits for its heartbeat to run out (10 s at least) and for the next supervision (1 minute)',
  async open({ databaseUrl }, begins = 'empty') {
    const pool = await freshPool(databaseUrl, ...(begins === 'empty' ? [SCHEMA] : []))
    const boss = new PgBoss({
      connectionString: databaseUrl,
      schema: SCHEMA,
      max: CONNECTIONS,
      useListenNotify: true,
    })
    boss.on('error', () => undefined)
    await boss.start()
    await boss.createQueue(QUEUE, { notify: true, heartbeatSeconds: 10 })
    return {
      publish: (n) => boss.send(QUEUE, workOf(n)),
      publishMany: (from, count) =>
        boss.insert(
          QUEUE,
          Array.from({ length: count }, (_, n) => ({ data: workOf(from + n) })),
        ),
      publishIn: (client, n) =>
        boss.send(QUEUE, workOf(n), { db: { executeSql: (text, values) => client.query(text, values) } }),
      async startHandling(handle) {
        const id = await boss.work<Work>(QUEUE, WORK, async (jobs) => {
          const work = async ({ n }: Work): Promise<void> => {
            for (let step = 1; step < STEPS; step++) await Promise.resolve()
            await handle(n)
          }
          await Promise.all(jobs.map(({ data }) => work(data)))
        })
        return { stop: () => boss.offWork(QUEUE, { id, wait: true }) }
      },
      left: async () => {
        const { rows } = await pool.query<{ count: string }>(
          `select count(*) from ${SCHEMA}.job where state < 'completed'`,
        )
        return Number(rows[0]?.count)
      },
      clear: async () => void (await boss.deleteAllJobs(QUEUE)),
      close: async () => {
        await boss.stop({ graceful: false })
        await pool.end()
      },
    }
  },
}
