import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DurableQueue, OpenQueue, Servers } from '../durable/queue.ts'
import type { Result, Scale, Setting } from '../harness/section.ts'
import { startOwnDatabase } from '../harness/database.ts'
import { BULLMQ_SKIPPED, serversOf } from '../durable/sides.ts'
import { type Account, accountOf, readLog } from './account.ts'
import { Publisher } from './publisher.ts'
import { queues } from './queues.ts'
import { Supervisor } from './supervisor.ts'

interface Plan {
  readonly perSecond: number
  readonly workMs: number
  readonly blows: number
  /** From one blow to the next, and to the end. */
  readonly everyMs: number
  /** How long the run goes on without publishes and blows, for what is not handled yet. */
  readonly graceMs: number
}

const PLANS: Readonly<Record<Scale, Plan>> = {
  quick: { perSecond: 50, workMs: 20, blows: 1, everyMs: 1500, graceMs: 8000 },
  normal: { perSecond: 100, workMs: 20, blows: 3, everyMs: 3000, graceMs: 10_000 },
  full: { perSecond: 100, workMs: 20, blows: 8, everyMs: 4000, graceMs: 60_000 },
}

interface Side {
  readonly queue: DurableQueue
  readonly open: OpenQueue
  readonly publisher: Publisher
  readonly worker: Supervisor
  readonly log: string
}

const sideOf = async (queue: DurableQueue, servers: Servers, folder: string, plan: Plan): Promise<Side> => {
  const open = await queue.open(servers)
  const log = path.join(folder, `${queue.name.replaceAll(/\W/g, '-')}.log`)
  const worker = new Supervisor({ queue: queue.name, servers, log, workMs: plan.workMs })
  return { queue, open, log, worker, publisher: new Publisher(open, plan.perSecond) }
}

const isDone = ({ log, publisher }: Side): boolean => {
  const handled = readLog(log)
  for (const n of publisher.acceptedAt.keys()) if (!handled.has(n)) return false
  return true
}

/** All sides at once, on the same servers, so that every blow falls on all of them. */
const endure = async (
  servers: Servers,
  sides: readonly DurableQueue[],
  plan: Plan,
  blow: (sides: readonly Side[]) => Promise<void>,
): Promise<ReadonlyMap<DurableQueue, Account>> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'buslane-chaos-'))
  const open: Side[] = []
  try {
    for (const queue of sides) open.push(await sideOf(queue, servers, folder, plan))
    await sleep(1000) // the workers start
    const publishing = open.map(({ publisher }) => publisher.publishFor(plan.everyMs * (plan.blows + 1)))
    const blowsAt: number[] = []
    for (let count = 0; count < plan.blows; count++) {
      await sleep(plan.everyMs)
      blowsAt.push(Date.now())
      await blow(open)
    }
    await Promise.all(publishing)
    await Promise.all(open.map(({ publisher }) => publisher.answered(plan.graceMs)))
    for (const until = Date.now() + plan.graceMs; !open.every(isDone) && Date.now() < until;) await sleep(250)
    const endedAt = Date.now()
    return new Map(
      open.map(({ queue, log, publisher: { acceptedAt, refused } }) => [
        queue,
        accountOf({ log, acceptedAt, refused, blowsAt, endedAt }),
      ]),
    )
  } finally {
    for (const { worker } of open) worker.stop()
    await Promise.allSettled(open.map((side) => side.open.close()))
    await rm(folder, { recursive: true, force: true })
  }
}

const resultsOf = (what: string, { graceMs }: Plan, found: ReadonlyMap<DurableQueue, Account>): readonly Result[] => {
  const figure = (
    contest: string,
    unit: 'count' | 's',
    values: (account: Account) => readonly number[],
    goal?: number,
  ): Result[] =>
    [...found].map(([queue, account]) => ({
      kind: 'figure',
      contest: `${what}: ${contest}`,
      of: queue.name,
      unit,
      values: values(account),
      goal: queue.name === 'Buslane' ? goal : undefined,
      caveat: caveatOf(queue, account),
    }))
  const grace = graceMs / 1000
  return [
    ...figure(`not handled ${grace} s after the end`, 'count', ({ missing }) => [missing], 0),
    ...figure('handled twice', 'count', ({ duplicates }) => [duplicates]),
    ...figure('until all that was accepted before was handled', 's', ({ recovery }) => recovery, 10),
    ...figure('until one that was accepted after was handled', 's', ({ pause }) => pause),
  ]
}

const caveatOf = ({ caveat }: DurableQueue, { accepted, refused, missing }: Account): string =>
  [
    `${accepted.toLocaleString('en')} accepted, ${refused} refused`,
    ...(missing > 0 ? ['not over when the run ended'] : []),
    ...(caveat === '' ? [] : [caveat]),
  ].join('; ')

const seconds = (ms: number): string => `${ms / 1000} s`

/** SIGKILL for the workers of all sides, again and again. */
export const killing = async (setting: Setting): Promise<readonly Result[]> => {
  const plan = PLANS[setting.scale]
  const servers = serversOf(setting)
  const found = await endure(servers, queues(servers), plan, async (sides) => {
    for (const { worker } of sides) worker.kill()
  })
  const what = `workers killed every ${seconds(plan.everyMs)}`
  const skipped: Result[] = servers.redisUrl === undefined ? [{ ...BULLMQ_SKIPPED, contest: what }] : []
  return [...resultsOf(what, plan, found), ...skipped]
}

/** The database stops and starts once while messages are published and handled. */
export const restarting = async ({ scale }: Setting): Promise<readonly Result[]> => {
  const plan = { ...PLANS[scale], blows: 1 }
  const database = await startOwnDatabase()
  try {
    const servers: Servers = { databaseUrl: database.url, redisUrl: undefined }
    const found = await endure(servers, queues(servers), plan, () => database.restart())
    const what = 'the database restarts'
    return [
      ...resultsOf(what, plan, found),
      { kind: 'skipped', contest: what, of: 'BullMQ', reason: 'its Redis is not ours to restart' },
    ]
  } finally {
    await database.stop()
  }
}
