import { setTimeout as delay } from 'node:timers/promises'
import { BUS, createBus, type DeadLetter } from '@buslane/core'
import { CrashRun, judge, type JournalLine, type Verdict } from '@buslane/testkit/crash'
import pg from 'pg'
import { type PostgresPersistence, postgresPersistence } from '../../src/index.ts'
import { type CrashOptions, EXEC_ARGV, HANDLERS, type Work, Worked } from './crash-options.ts'
import { randomFrom } from './random.ts'

/** How to soak. */
export interface SoakOptions {
  readonly connectionString: string
  readonly kills: number
  readonly workers: number
  readonly seed: number
  /** Whether handlers fail now and then, and are tried again. Default `true`. */
  readonly failures?: boolean
  /** Ends it early: then it has failed. */
  readonly signal: AbortSignal
}

/** What came out. */
export interface SoakResult {
  readonly seed: number
  readonly kills: number
  readonly seconds: number
  readonly lanes: number
  readonly verdict: Verdict
  /** Events that are still in the store, and not in its dead letters. */
  readonly left: number
  readonly deadByReason: Readonly<Record<string, number>>
  /** Dead letters `failed` without a final failure of a handler in the journal. */
  readonly deadForNothing: readonly string[]
}

const LANES = 50
/** More than that waits for the workers. */
const MAX_BACKLOG = 400
const DRAIN_MS = 120_000
const LEASE_MS = 1000

type Random = () => number

/** Publishes and kills until so many workers have been killed, lets the rest finish, and judges. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { connectionString, seed, signal, failures = true } = options
  const startedAt = performance.now()
  const schema = `crash_soak_${process.pid}_${seed}`
  const persistence = postgresPersistence({ connectionString, schema, leaseMs: LEASE_MS, maxConnections: 4 })
  // A killed process loses nothing that it has written, so the journal needs no flush of the disk.
  await using run = new CrashRun<CrashOptions>({
    program: new URL('worker.ts', import.meta.url),
    execArgv: EXEC_ARGV,
    sync: false,
  })
  const over = new AbortController()
  try {
    await persistence.events.open()
    const publishing = publishUntil(over.signal, persistence, { random: randomFrom(seed + 1), failures })
    const start = (): Worker => run.start({ connectionString, schema, leaseMs: LEASE_MS })
    const workers = Array.from({ length: options.workers }, start)
    const kills = await killAtRandom(workers, start, options)
    over.abort()
    const accepted = await publishing
    const left = await drained(persistence, signal)
    await Promise.all(workers.map((worker) => worker.stop()))
    const letters = await lettersOf(persistence)
    const lines = run.journal.read()
    return {
      seed,
      kills,
      seconds: (performance.now() - startedAt) / 1000,
      lanes: LANES + 1,
      verdict: judge(lines, {
        events: accepted,
        handlers: HANDLERS,
        dead: new Set(letters.map(({ message }) => message.id)),
        lanesByProcess: new Set([BUS]),
      }),
      left,
      deadByReason: countBy(letters.map(({ reason }) => reason)),
      deadForNothing: withoutFailure(letters, lines),
    }
  } finally {
    over.abort()
    await run[Symbol.asyncDispose]()
    await persistence.close()
    const client = new pg.Client({ connectionString })
    await client.connect()
    await client.query(`drop schema if exists "${schema}" cascade`)
    await client.end()
  }
}

type Worker = ReturnType<CrashRun<CrashOptions>['start']>

/** A worker is killed while it works, or now and then before it has begun to. */
async function killAtRandom(workers: Worker[], start: () => Worker, options: SoakOptions): Promise<number> {
  const random = randomFrom(options.seed)
  const working = new WeakSet<Worker>()
  const victims = new WeakSet<Worker>()
  let failure: unknown
  const watch = (worker: Worker): void =>
    void worker.ready.then(
      () => working.add(worker),
      (error: unknown) => {
        if (!victims.has(worker)) failure = error
      },
    )
  for (const worker of workers) watch(worker)
  let kills = 0
  while (kills < options.kills && !options.signal.aborted) {
    await delay(50 + random() * 250)
    if (failure !== undefined) throw new Error('A worker did not start', { cause: failure })
    const early = random() < 0.05
    const candidates = workers.filter((worker) => early || working.has(worker))
    const victim = candidates[Math.floor(random() * candidates.length)]
    if (!victim) continue
    const index = workers.indexOf(victim)
    victims.add(victim)
    await victim.kill()
    kills += 1
    workers[index] = start()
    watch(workers[index])
    if (kills % 50 === 0) console.log(`${kills} kills`)
  }
  return kills
}

/** The ids of what was accepted. */
async function publishUntil(
  over: AbortSignal,
  persistence: PostgresPersistence,
  { random, failures }: { readonly random: Random; readonly failures: boolean },
): Promise<string[]> {
  await using bus = createBus({ persistence, lane: ({ payload }) => (payload as Work).lane })
  const sequences = new Map<string, number>()
  const accepted: string[] = []
  const next = (): Work => {
    const number = Math.floor(random() * (LANES + 1))
    const lane = number === LANES ? BUS : `lane-${number}`
    const seq = (sequences.get(lane) ?? 0) + 1
    sequences.set(lane, seq)
    const work = { lane, seq, ms: Math.floor(random() * 30) }
    if (!failures) return work
    if (random() < 0.05) return { ...work, fails: 'second', failsUntil: random() < 0.5 ? 2 : 3 }
    if (random() < 0.02) return { ...work, fails: 'third' }
    return work
  }
  await bus.start()
  for (let round = 0; !over.aborted; round += 1) {
    if (round % 10 === 0 && (await backlog(persistence)) > MAX_BACKLOG) {
      round -= 1
      await delay(200)
      continue
    }
    const receipts = await Promise.all(Array.from({ length: 4 }, () => bus.publish(Worked(next()))))
    accepted.push(...receipts.map(({ id }) => id))
    await delay(50)
  }
  return accepted
}

async function backlog({ inspect }: PostgresPersistence): Promise<number> {
  const { scheduled, ready, running, unhandled, undecodable } = await inspect.counts()
  return scheduled + ready + running + unhandled + undecodable
}

/** Waits until nothing is left; how much is left when it gives up. */
async function drained(persistence: PostgresPersistence, signal: AbortSignal): Promise<number> {
  const until = performance.now() + DRAIN_MS
  for (;;) {
    const left = await backlog(persistence)
    if (left === 0 || performance.now() > until || signal.aborted) return left
    await delay(200)
  }
}

async function lettersOf({ deadLetters }: PostgresPersistence): Promise<DeadLetter[]> {
  const all: DeadLetter[] = []
  let cursor: string | undefined
  do {
    const page = await deadLetters!.list({ limit: 1000, cursor })
    all.push(...page.entries)
    cursor = page.next
  } while (cursor !== undefined)
  return all
}

function withoutFailure(letters: readonly DeadLetter[], lines: readonly JournalLine[]): string[] {
  const failed = new Set(lines.flatMap((line) => (line.at === 'fail' && line.final ? [line.event] : [])))
  return letters.filter(({ reason, message }) => reason === 'failed' && !failed.has(message.id)).map(({ key }) => key)
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
