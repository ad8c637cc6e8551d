import type { Check } from '../check.ts'
import { expectEqual, expectTrue } from '../expect.ts'
import { event, events } from '../sketches.ts'
import { idsOf } from '../subject.ts'

/** How long a worker keeps what it holds, and who gets it then. */
export const leaseChecks: readonly Check[] = [
  {
    id: 'C-06',
    title: 'never takes a lease from a worker that is heard of in time, for a hundred leases',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [worker, other] = [await store.join(), await store.join()]
      await store.append(event('a'), event('b', { lane: 'l' }))
      const held = (await store.claim(worker, { start: 2 })).events
      for (let round = 0; round < 100; round += 1) {
        await store.passTime(store.leaseMs - store.slackMs - 1)
        expectEqual('what a heartbeat answers', await store.events.heartbeat(worker), 'ok')
        await store.events.heartbeat(other)
        const { rescued, deadWorkers } = await store.events.sweep()
        expectEqual('what a sweep finds', { rescued, deadWorkers }, { rescued: 0, deadWorkers: 0 })
      }
      expectEqual('what another worker claims', await store.claimIds(other), [])
      await store.complete(...held.map(({ lease }) => lease))
    },
  },
  {
    id: 'C-07',
    title: 'takes the leases of a silent worker when its lease is over, not before, in one sweep',
    rules: ['R-DUR-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const silent = await store.join()
      await store.append(...events(3, 'e'), event('lane', { lane: 'l' }))
      await store.claim(silent)
      await store.passTime(store.leaseMs - store.slackMs - 1)
      const early = await store.events.sweep()
      expectEqual('how many a sweep rescues in time', early.rescued, 0)
      await store.passTime(store.slackMs + 2)
      const other = await store.join()
      const { rescued, deadWorkers } = await store.events.sweep()
      expectEqual('what a sweep finds after the lease', { rescued, deadWorkers }, { rescued: 4, deadWorkers: 1 })
      expectEqual('what another worker claims', await store.claimIds(other), ['e-0000', 'e-0001', 'e-0002', 'lane'])
      expectEqual('what a heartbeat of the dead worker answers', await store.events.heartbeat(silent), 'lost')
    },
  },
  {
    id: 'C-07b',
    title: 'lets a worker go on that is late, as long as nobody found it dead',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const late = await store.join()
      await store.append(event('a'))
      const { lease } = await store.claimOne(late)
      await store.outliveLeases()
      expectEqual('what a heartbeat answers', await store.events.heartbeat(late), 'ok')
      expectEqual('how many a sweep rescues', (await store.events.sweep()).rescued, 0)
      await store.complete(lease)
    },
  },
  {
    id: 'C-08',
    title: 'lets a completion or a rescue of the same event win, never both and never neither',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [here, there] = await store.instances(2)
      for (let round = 0; round < 20; round += 1) {
        const worker = await store.join()
        await store.append(...events(10, `r${round}`))
        const held = (await store.claim(worker)).events
        await store.outliveLeases()
        const [answers] = await Promise.all([
          (here ?? store).events.report(held.map(({ lease }) => ({ kind: 'complete', lease }))),
          (there ?? store).events.sweep(),
        ])
        const lost = held.filter((_, index) => answers[index]?.status === 'lost')
        const heir = await store.join()
        const rescued = await store.claim(heir)
        expectEqual('what is claimed again', idsOf(rescued.events), idsOf(lost))
        await store.complete(...rescued.events.map(({ lease }) => lease))
      }
    },
  },
  {
    id: 'C-08b',
    title: 'lets a heartbeat or a sweep win: a worker keeps all it holds, or nothing',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [here, there] = await store.instances(2)
      for (let round = 0; round < 20; round += 1) {
        const worker = await store.join()
        await store.append(...events(3, `r${round}`), ...events(3, `lane${round}`, () => ({ lane: 'l' })))
        const held = (await store.claim(worker)).events
        await store.outliveLeases()
        const [beat] = await Promise.all([(here ?? store).events.heartbeat(worker), (there ?? store).events.sweep()])
        const answers = await store.events.report(held.map(({ lease }) => ({ kind: 'complete', lease })))
        const expected = held.map(() => beat)
        expectEqual(
          `the answers after \`${beat}\``,
          answers.map(({ status }) => status),
          expected,
        )
        const rest = (await store.claim(await store.join())).events
        expectEqual('what is left', idsOf(rest), beat === 'ok' ? [] : idsOf(held))
        await store.complete(...rest.map(({ lease }) => lease))
      }
    },
  },
  {
    id: 'C-09',
    title: 'finds the lease of a dead worker behind more than a page of live ones',
    rules: ['R-DUR-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [live, dead] = [await store.join(), await store.join()]
      await store.appendMany(events(1_500, 'live'))
      const claimed = await store.claimAll(live, { limit: store.events.settings.batchSize })
      expectEqual('how many events the live worker holds', claimed.length, 1_500)
      await store.append(event('behind'))
      await store.claimOne(dead)
      const { rescued, deadWorkers } = await store.killWorkers({ butOf: [live] })
      expectEqual('what a sweep finds', { rescued, deadWorkers }, { rescued: 1, deadWorkers: 1 })
      expectEqual('what is claimed', await store.claimIds(live), ['behind'])
    },
  },
  {
    id: 'C-10',
    title: 'gives back thousands of leases of dead workers, each once',
    rules: ['R-DUR-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const wanted = events(2_500, 'e', (index) => ({ lane: index % 2 === 0 ? undefined : `l${index % 50}` }))
      await store.appendMany(wanted)
      for (let worker = 0; worker < 5; worker += 1) await store.claim(await store.join(), { limit: 200 })
      const dead = await store.join()
      const held = 5 * 200 + (await store.claimAll(dead, { limit: 200 })).length
      await store.outliveLeases()
      let rescued = 0
      for (let last = -1; last !== 0; rescued += last) last = (await store.events.sweep()).rescued
      expectEqual('how many events were rescued', rescued, held)
      const claimed = await store.claimAll(await store.join(), { limit: 200, laneLimit: 1_000 })
      expectEqual(
        'the ids that are claimed',
        idsOf(claimed).toSorted(),
        wanted.map(({ message }) => message.id),
      )
    },
  },
  {
    id: 'C-14',
    title: 'takes workers of one name for different workers',
    rules: ['R-DUR-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [first, second] = [await store.join('same'), await store.join('same')]
      expectTrue('whether they have different ids', first !== second)
      await store.append(event('a'))
      const { lease } = await store.claimOne(first)
      expectEqual('what the second one gives back', await store.events.leave(second), 0)
      expectEqual('what a third one claims', await store.claimIds(await store.join('same')), [])
      await store.complete(lease)
    },
  },
]
