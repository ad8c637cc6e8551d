import type { Report } from '@buslane/core'
import type { Check } from '../check.ts'
import { expectEqual } from '../expect.ts'
import { event, events, failure } from '../sketches.ts'
import { idsOf } from '../subject.ts'

/** Reports are a compare-and-set on key and token: who lost a lease changes nothing. */
export const tokenChecks: readonly Check[] = [
  {
    id: 'C-02b',
    title: 'gives an event a new token with every claim',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('a'))
      const tokens = new Set<string>()
      for (let round = 0; round < 5; round += 1) {
        const { lease } = await store.claimOne(worker)
        tokens.add(lease.token)
        await store.settle({ kind: 'release', lease })
      }
      expectEqual('how many tokens five claims gave', tokens.size, 5)
    },
  },
  {
    id: 'C-04',
    title: 'answers `lost` to the worker that a lease was taken from, whatever it reports, and changes nothing',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const zombie = await store.join()
      const kinds = Object.keys(everyReport({ key: '', token: '' }))
      await store.append(...kinds.map((kind) => event(kind)))
      const stale = (await store.claim(zombie)).events
      await store.killWorkers()
      const holder = await store.join()
      const held = (await store.claim(holder)).events
      expectEqual('what the new holder claims', idsOf(held), kinds)
      const reports = stale.map(({ lease, message }) => everyReport(lease)[message.id as Report['kind']])
      const answers = await store.events.report(reports)
      expectEqual(
        'the answers to the zombie',
        answers.map(({ status }) => status),
        kinds.map(() => 'lost'),
      )
      expectEqual('what is left to claim', await store.claimIds(holder), [])
      await store.complete(...held.map(({ lease }) => lease))
    },
  },
  {
    id: 'C-04b',
    title: 'goes by key and token together: with the token of another event it answers `lost`',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('a'))
      const first = await store.claimOne(worker)
      await store.append(event('b'))
      const second = await store.claimOne(worker)
      const wrong = { key: first.lease.key, token: second.lease.token }
      expectEqual(
        'the answer',
        await store.report({ kind: 'complete', lease: { ...wrong, token: `${first.lease.token}x` } }),
        { status: 'lost' },
      )
      expectEqual('the answer', await store.report({ kind: 'complete', lease: wrong }), { status: 'lost' })
      await store.complete(first.lease, second.lease)
    },
  },
  {
    id: 'C-04c',
    title: 'takes one report that settles an event, and answers `lost` to any later one',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      for (const report of Object.values(everyReport({ key: '', token: '' })).filter(
        ({ kind }) => kind !== 'start' && kind !== 'progress',
      )) {
        await store.append(event(report.kind))
        const { lease } = await store.claimOne(worker)
        await store.settle({ ...report, lease })
        const again = await store.events.report(Object.values(everyReport(lease)))
        expectEqual(
          `the answers after \`${report.kind}\``,
          again.map(({ status }) => status),
          again.map(() => 'lost'),
        )
        await store.ready()
        await store.claim(worker)
      }
    },
  },
  {
    id: 'C-04d',
    title: 'applies each report of a batch by itself, and answers in its order',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(...events(4, 'e'))
      const leases = (await store.claim(worker)).events.map(({ lease }) => lease)
      const answers = await store.events.report(
        leases.map((lease, index) => ({
          kind: 'complete',
          lease: index % 2 === 0 ? lease : { ...lease, token: 'no token' },
        })),
      )
      expectEqual(
        'the answers',
        answers.map(({ status }) => status),
        ['ok', 'lost', 'ok', 'lost'],
      )
      await store.events.leave(worker)
      expectEqual('what is left', await store.claimIds(await store.join()), ['e-0001', 'e-0003'])
    },
  },
]

/** Every kind of report about one lease. */
function everyReport(lease: { readonly key: string; readonly token: string }): Record<Report['kind'], Report> {
  return {
    start: { kind: 'start', lease, handlers: ['intruder'] },
    progress: { kind: 'progress', lease, progress: { ship: { status: 'done', attempts: 1 } } },
    complete: { kind: 'complete', lease },
    retry: { kind: 'retry', lease, progress: {}, delayMs: 0 },
    release: { kind: 'release', lease },
    defer: { kind: 'defer', lease, delayMs: 0 },
    undecodable: { kind: 'undecodable', lease, error: failure('not JSON') },
    dead: { kind: 'dead', lease, reason: 'failed', progress: {}, error: failure('no') },
  }
}
