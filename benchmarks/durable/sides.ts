import type { Setting } from '../harness/section.ts'
import type { DurableQueue, OpenQueue, Servers } from './queue.ts'
import { bullmq } from './queues/bullmq.ts'
import { graphileWorker } from './queues/graphile-worker.ts'
import { pgBoss } from './queues/pg-boss.ts'

export const serversOf = ({ databaseUrl, redisUrl }: Setting): Servers => {
  if (databaseUrl === undefined) throw new Error('this task needs a database')
  return { databaseUrl, redisUrl }
}

/** What people use today, as far as its server can be reached. */
export const peersOf = ({ redisUrl }: Servers): readonly DurableQueue[] => [
  graphileWorker,
  pgBoss,
  ...(redisUrl === undefined ? [] : [bullmq]),
]

export interface OpenSide {
  readonly queue: DurableQueue
  readonly open: OpenQueue
}

/** One after another: they migrate their schemas. */
export const openAll = async (queues: readonly DurableQueue[], servers: Servers): Promise<readonly OpenSide[]> => {
  const sides: OpenSide[] = []
  for (const queue of queues) sides.push({ queue, open: await queue.open(servers) })
  return sides
}

export const closeAll = async (sides: readonly OpenSide[]): Promise<void> => {
  for (const { open } of sides) await open.close()
}

export const BULLMQ_SKIPPED = {
  kind: 'skipped',
  of: bullmq.name,
  reason: 'no Redis: neither BUSLANE_BENCH_REDIS_URL nor 127.0.0.1:6379',
} as const
