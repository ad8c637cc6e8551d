import { setTimeout as sleep } from 'node:timers/promises'
import { freshPool, graphile, payload, rawTable, STEPS, storedBus, Ticked, work } from './contestants.ts'
import { compare, type Finding, interleaved, quantile, rateOf, rateOfAll } from './measure.ts'
import { takeover } from './takeover.ts'

export interface Setting {
  readonly url: string
  readonly rounds: number
  /** How long one side of a round of publishing takes. */
  readonly ms: number
  readonly events: number
}

const OURS = 'bench_buslane'
const PEER = 'bench_graphile'
const RAW = 'bench_raw'

const publishing = async ({ url, rounds, ms }: Setting): Promise<readonly Finding[]> => {
  const pool = await freshPool(url, OURS, PEER, RAW)
  const bus = storedBus(pool, { schema: OURS })
  await bus.start()
  const worker = await graphile(pool, PEER)
  const raw = await rawTable(pool, RAW)
  const publish = (n: number): Promise<unknown> => bus.publish(Ticked(payload(n)))
  const clearing = async (rate: number): Promise<number> => {
    await Promise.all([worker.clear(), raw.clear(), pool.query(`truncate ${OURS}.events`)])
    return rate
  }
  const by =
    (callers: number, operate: (n: number) => Promise<unknown>, each = 1) =>
    async () =>
      clearing(await rateOf({ callers, ms, each }, operate))
  const twenty = await interleaved(rounds, { ours: by(20, publish), theirs: by(20, worker.addJob) })
  const many = await interleaved(rounds, {
    ours: by(1000, publish),
    theirs: by(1, (n) => raw.insertMany(n * 1000, 1000), 1000),
  })
  const lone = await interleaved(rounds, { ours: by(1, publish), theirs: by(1, raw.insertOne) })
  await bus.stop()
  await worker.stop()
  await pool.end()
  return [
    compare('durable publish, 20 at once', 15, { ...twenty, peer: 'addJob of graphile-worker' }),
    compare('durable publish, 1,000 at once', 0.6, { ...many, peer: 'unnest of 1,000 rows' }),
    compare('lone durable publish', 0.7, { ...lone, peer: 'insert of one row' }),
  ]
}

/** Publishes, handles in three groups and completes all events; the peer only handles and completes what was loaded before. */
const processing = async ({ url, rounds, events }: Setting): Promise<readonly Finding[]> => {
  const pool = await freshPool(url, OURS, `${OURS}_lanes`, PEER)
  const worker = await graphile(pool, PEER)
  const handling = async (schema: string, lane: (event: { readonly payload: unknown }) => string | undefined) => {
    const bus = storedBus(pool, { schema, lane })
    let handled = 0
    for (let step = 0; step < STEPS; step++) {
      const name = `step-${step}`
      bus.on(Ticked, async (event) => work(event.payload.n), { name, priority: step * 10 })
    }
    bus.on(Ticked, () => void handled++, { name: 'counts', priority: (STEPS - 1) * 10 })
    await bus.start()
    return {
      bus,
      rate: () =>
        rateOfAll(events, async () => {
          const before = handled
          let n = 0
          const publisher = async (): Promise<void> => {
            while (n < events) await bus.publish(Ticked(payload(n++)))
          }
          await Promise.all(Array.from({ length: 1000 }, publisher))
          await bus.idle()
          if (handled - before !== events) throw new Error(`${handled - before} of ${events} events were handled`)
          const { rows } = await pool.query<{ left: string }>(`select count(*) as left from ${schema}.events`)
          if (rows[0]?.left !== '0') throw new Error(`${rows[0]?.left} events are left`)
        }),
    }
  }
  const unordered = await handling(OURS, () => undefined)
  const lanes = await handling(`${OURS}_lanes`, (event) => `lane-${(event.payload as { n: number }).n % 100}`)
  const found = await interleaved(rounds, {
    unordered: unordered.rate,
    lanes: lanes.rate,
    theirs: async () => {
      await worker.load(events)
      return rateOfAll(events, () => worker.drain(events))
    },
  })
  await Promise.all([unordered.bus.stop(), lanes.bus.stop(), worker.stop()])
  await pool.end()
  const { theirs } = found
  const peer = 'graphile-worker, already loaded,'
  return [
    compare('publish, handle, complete', 2, { ours: found.unordered, theirs, peer }),
    compare('the same over 100 named lanes', 1.5, { ours: found.lanes, theirs, peer }),
  ]
}

/** From before the publish to the first handler, ten times a second. */
const latency = async ({ url, rounds }: Setting): Promise<readonly Finding[]> => {
  const pool = await freshPool(url, OURS, `${OURS}_far`)
  const near = storedBus(pool, { schema: OURS })
  const publisher = storedBus(pool, { schema: `${OURS}_far` })
  const handler = storedBus(pool, { schema: `${OURS}_far` })
  const sent: number[] = []
  const measured = { near: [] as number[], far: [] as number[] }
  for (const [where, bus] of [
    ['near', near],
    ['far', handler],
  ] as const) {
    const note = ({ payload: { n } }: { payload: { n: number } }): void => {
      if (n >= 10) measured[where].push(performance.now() - sent[n]!)
    }
    bus.on(Ticked, note, { name: 'notes' })
  }
  const buses = [near, publisher, handler]
  await Promise.all(buses.map((bus) => bus.start()))
  const count = 10 + rounds * 100
  for (let n = 0; n < count; n++) {
    const bus = n % 2 === 0 ? near : publisher
    sent[n] = performance.now()
    await bus.publish(Ticked(payload(n)))
    await sleep(Math.max(0, 50 - (performance.now() - sent[n]!)))
  }
  await sleep(1500)
  await Promise.all(buses.map((bus) => bus.stop()))
  await pool.end()
  return (['near', 'far'] as const).map((where) => {
    const times = measured[where]
    const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)]
    return {
      contest: where === 'near' ? 'publish to handler, 10 a second' : 'the same, another bus handles',
      figure: `${p50.toFixed(1)} ms`,
      spread: `p99 ${p99.toFixed(1)}`,
      goal: '< 5, p99 < 30 ms',
      met: p50 < 5 && p99 < 30 && times.length === (count - 10) / 2,
      details: `${times.length} of ${(count - 10) / 2} events`,
    }
  })
}

const takeovers = async ({ url }: Setting): Promise<readonly Finding[]> => {
  const cases = [
    { contest: 'takeover after kill -9, as it comes', leaseMs: undefined, goalMs: 10_000 },
    { contest: 'the same, leases of 1 s', leaseMs: 1000, goalMs: 2000 },
  ]
  const findings: Finding[] = []
  for (const { contest, leaseMs, goalMs } of cases) {
    const ms = await takeover(url, { schema: `${OURS}_takeover`, leaseMs })
    const figure = `${(ms / 1000).toFixed(2)} s`
    findings.push({ contest, figure, spread: '', goal: `< ${goalMs / 1000} s`, met: ms < goalMs, details: '' })
  }
  return findings
}

/** Each runs in a process of its own. */
export const contests: Readonly<Record<string, (setting: Setting) => Promise<readonly Finding[]>>> = {
  publishing,
  processing,
  latency,
  takeovers,
}
