import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createBus } from '@buslane/core'
import pg from 'pg'
import { postgresPersistence } from '../../src/index.ts'
import { Job, laneOf, LEASE, UNORDERED } from './job.ts'
import { judge, readJournal, type Verdict } from './journal.ts'

export interface CrashRunOptions {
  readonly connectionString: string
  /** How many workers are killed, one after another. */
  readonly kills: number
  /** Decides lanes, victims and the times between kills. */
  readonly seed: number
  readonly workers?: number
  readonly onKill?: (kills: number) => void
}

export interface CrashReport extends Verdict {
  readonly published: number
  readonly kills: number
  /** Nothing was left in the store, the dead letters included. */
  readonly drained: boolean
}

const LANES = 20
const DRAIN_MS = 60_000

/** Worker processes that can be killed and replaced, on a schema of their own. */
export class Workers {
  readonly killed = new Set<number>()
  readonly #arguments: readonly string[]
  readonly #alive: ChildProcess[] = []

  constructor(connectionString: string, schema: string, journal: string) {
    this.#arguments = [connectionString, schema, journal]
  }

  async add(): Promise<ChildProcess> {
    const worker = fork(new URL('worker.ts', import.meta.url), [...this.#arguments], {
      execArgv: ['--conditions=@buslane/source'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#alive.push(worker)
    await once(worker, 'message')
    return worker
  }

  async kill(index: number): Promise<void> {
    const [worker] = this.#alive.splice(index, 1)
    if (!worker?.pid) return
    this.killed.add(worker.pid)
    worker.kill('SIGKILL')
    await once(worker, 'exit')
  }

  async killAll(): Promise<void> {
    while (this.#alive.length > 0) await this.kill(0)
  }
}

/** Publishes jobs while workers are killed with SIGKILL at random, and judges what they have noted. */
export const crashRun = async ({
  connectionString,
  kills,
  seed,
  workers: count = 2,
  onKill,
}: CrashRunOptions): Promise<CrashReport> => {
  const random = randomFrom(seed)
  const folder = mkdtempSync(path.join(tmpdir(), 'buslane-crash-'))
  const journal = path.join(folder, 'journal')
  const schema = `crash_${process.pid}_${seed}`
  const persistence = postgresPersistence({ connectionString, schema, ...LEASE })
  const bus = createBus({ persistence, lane: laneOf })
  const workers = new Workers(connectionString, schema, journal)
  const published = new Set<string>()
  try {
    await bus.start()
    for (let worker = 0; worker < count; worker++) await workers.add()
    let killing = true
    const sequence = new Map<string, number>()
    const publishing = (async () => {
      while (killing) {
        const jobs = Array.from({ length: 20 }, () => {
          const share = random()
          const lane = share < 0.2 ? UNORDERED : share < 0.3 ? 'BUS' : `lane-${Math.floor(random() * LANES)}`
          const seq = (sequence.get(lane) ?? 0) + 1
          sequence.set(lane, seq)
          return Job({ lane, seq })
        })
        await Promise.all(
          jobs.map(async (job) => {
            await bus.publish(job)
            published.add(job.id)
          }),
        )
        await pause(50)
      }
    })()
    for (let kill = 1; kill <= kills; kill++) {
      await pause(100 + random() * 700)
      await workers.kill(Math.floor(random() * count))
      await workers.add()
      onKill?.(kill)
    }
    killing = false
    await publishing
    const drained = await drain(persistence)
    return { published: published.size, kills, drained, ...judge(readJournal(journal), published, workers.killed) }
  } finally {
    await workers.killAll()
    await bus.stop()
    await dropSchema(connectionString, schema)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Whether everything was handled in time. */
const drain = async ({ inspect }: ReturnType<typeof postgresPersistence>): Promise<boolean> => {
  const deadline = performance.now() + DRAIN_MS
  for (;;) {
    const { ready, running, scheduled, unhandled, undecodable, dead, deadLetters } = await inspect.counts()
    if (ready + running + scheduled + unhandled + undecodable + dead === 0) return deadLetters === 0
    if (performance.now() > deadline) return false
    await pause(200)
  }
}

export const dropSchema = async (connectionString: string, schema: string): Promise<void> => {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query(`drop schema if exists "${schema}" cascade`)
  await client.end()
}

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
const randomFrom = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
