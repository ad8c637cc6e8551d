import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { STEPS, type Work, workOf } from '../message.ts'
import type { DurableQueue } from '../queue.ts'

const QUEUE = 'tick'
const PREFIX = 'bench'
const NAME = 'tick'

export const bullmq: DurableQueue = {
  name: 'BullMQ',
  caveat:
    'on Redis: no transaction with your rows, and how much a power cut takes is up to appendfsync; one handler per job, no groups',
  async open({ redisUrl }, begins = 'empty') {
    if (redisUrl === undefined) throw new Error('BullMQ needs a Redis')
    const connection = new Redis(redisUrl, { maxRetriesPerRequest: null })
    const options = { connection, prefix: PREFIX }
    connection.on('error', () => undefined)
    const queue = new Queue<Work, void>(QUEUE, { ...options, defaultJobOptions: { removeOnComplete: true } })
    if (begins === 'empty') await queue.obliterate({ force: true })
    return {
      publish: (n) => queue.add(NAME, workOf(n)),
      publishMany: (from, count) =>
        queue.addBulk(Array.from({ length: count }, (_, n) => ({ name: NAME, data: workOf(from + n) }))),
      async startHandling(handle) {
        const process = async ({ data }: { readonly data: Work }): Promise<void> => {
          for (let step = 1; step < STEPS; step++) await Promise.resolve()
          await handle(data.n)
        }
        const worker = new Worker<Work, void>(QUEUE, process, { ...options, concurrency: 100 })
        worker.on('error', () => undefined)
        await worker.waitUntilReady()
        return { stop: () => worker.close() }
      },
      left: async () => {
        const { waiting, active, delayed, prioritized } = await queue.getJobCounts()
        return (waiting ?? 0) + (active ?? 0) + (delayed ?? 0) + (prioritized ?? 0)
      },
      clear: () => queue.obliterate({ force: true }),
      close: async () => {
        await queue.close()
        connection.disconnect()
      },
    }
  },
}
