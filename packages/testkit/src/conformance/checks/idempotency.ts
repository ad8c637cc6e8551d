import type { Appended } from '@buslane/core'
import type { Check } from '../check.ts'
import { expectEqual, present } from '../expect.ts'
import { event, events, failure } from '../sketches.ts'
import type { Subject } from '../subject.ts'

const RETENTION_MS = 3_600_000
const AT_ONCE = 50

/** One key, one event. */
export const idempotencyChecks: readonly Check[] = [
  {
    id: 'C-34',
    title: 'takes a key for a duplicate while its event waits, runs, and after it is handled',
    rules: ['R-DUR-8'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      const again = (): Promise<Appended> => appendWithKey(store, 'again')
      expectEqual('the first answer', (await appendWithKey(store, 'first')).status, 'stored')
      const duplicate = { status: 'duplicate', id: 'first' }
      expectEqual('the answer while it waits', await again(), duplicate)
      const { lease, idempotencyKey } = await store.claimOne(worker)
      expectEqual('its key', idempotencyKey, 'key')
      expectEqual('the answer while it runs', await again(), duplicate)
      await store.settle({ kind: 'retry', lease, progress: {}, delayMs: 0 })
      expectEqual('the answer while it waits for a retry', await again(), duplicate)
      await store.ready()
      await store.complete((await store.claimOne(worker)).lease)
      expectEqual('the answer after it is handled', await again(), duplicate)
      expectEqual('what is left', await store.claimIds(worker), [])
    },
  },
  {
    id: 'C-34b',
    title: 'remembers the key of a handled event for the retention time, and not for ever',
    rules: ['R-DUR-8'],
    needs: [],
    async run({ open }) {
      const store = await open({ idempotencyRetentionMs: RETENTION_MS })
      await appendWithKey(store, 'first')
      await store.complete((await store.claimOne(await store.join())).lease)
      await store.passTime(RETENTION_MS - store.slackMs - 1)
      await store.events.sweep()
      expectEqual('the answer before', (await appendWithKey(store, 'second')).status, 'duplicate')
      await store.passTime(store.slackMs + 2)
      await store.events.sweep()
      expectEqual('the answer after', (await appendWithKey(store, 'third')).status, 'stored')
    },
  },
  {
    id: 'C-34c',
    title: 'frees the key of a cancelled event',
    rules: ['R-DUR-8', 'R-SCH-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const { key } = await store.appendOne(event('first', { idempotencyKey: 'key' }))
      expectEqual('the answer to the cancel', await store.events.cancel(key), 'cancelled')
      expectEqual('the answer to the next', (await appendWithKey(store, 'second')).status, 'stored')
    },
  },
  {
    id: 'C-35',
    title: 'stores one of 50 events with one key that come at once, and fails none',
    rules: ['R-DUR-8'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const instances = await store.instances(4)
      const answers = await Promise.all(
        Array.from({ length: AT_ONCE }, (_, index) =>
          appendWithKey(instances[index % instances.length] ?? store, `e${index}`),
        ),
      )
      expectEqual('how many were stored', answers.filter(({ status }) => status === 'stored').length, 1)
      const claimed = await store.claimOne(await store.join())
      const duplicates = answers.filter((answer) => answer.status === 'duplicate')
      expectEqual(
        'the ids that the duplicates are of',
        duplicates.map(({ id }) => id),
        Array.from({ length: AT_ONCE - 1 }, () => claimed.message.id),
      )
    },
  },
  {
    id: 'C-21',
    title: 'stores a scheduled event with a key once, from two processes at once',
    rules: ['R-DUR-8', 'R-SCH-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const instances = await store.instances(2)
      for (let round = 0; round < 20; round += 1) {
        const answers = await Promise.all(
          instances.map((instance, index) =>
            instance.events.append(
              [event(`r${round}.${index}`, { idempotencyKey: `k${round}`, due: { delayMs: 60_000 } })],
              undefined,
            ),
          ),
        )
        expectEqual(
          'the answers',
          answers
            .flat()
            .map(({ status }) => status)
            .toSorted(),
          ['duplicate', 'stored'],
        )
      }
    },
  },
  {
    id: 'C-36',
    title: 'keeps what became of each handler apart',
    rules: ['R-DUR-6'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('a'))
      const { lease } = await store.claimOne(worker, { start: 1 })
      const progress = {
        ship: { status: 'done', attempts: 1 },
        bill: { status: 'trying', attempts: 2, errors: [failure('no money')] },
        'näme with "quotes"': { status: 'failed', attempts: 3, errors: [failure('no')] },
      } as const
      await store.settle({ kind: 'progress', lease, progress: { ship: progress.ship } })
      await store.settle({ kind: 'retry', lease, progress, delayMs: 0 })
      await store.ready()
      expectEqual('the progress', (await store.claimOne(worker)).progress, progress)
    },
  },
  {
    id: 'C-37',
    title: 'reports the duplicates of a batch, and stores the others',
    rules: ['R-DUR-8'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('old', { idempotencyKey: 'old' }))
      const answers = await store.events.append(
        [
          event('a'),
          event('old-again', { idempotencyKey: 'old' }),
          event('b', { idempotencyKey: 'new' }),
          event('b-again', { idempotencyKey: 'new' }),
          event('c'),
        ],
        undefined,
      )
      expectEqual(
        'the answers',
        answers.map((answer) => (answer.status === 'duplicate' ? answer.id : answer.status)),
        ['stored', 'old', 'stored', 'b', 'stored'],
      )
      expectEqual('what is claimed', await store.claimIds(await store.join()), ['old', 'a', 'b', 'c'])
    },
  },
  {
    id: 'C-41',
    title: 'compares keys in full',
    rules: ['R-DUR-8'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const long = 'k'.repeat(400)
      // The first two have the same Adler-32 sum, the next four are equal to a careless collation.
      const keys = ['order-aca', 'order-bab', 'é', 'e\u0301', 'É', 'e', ' e', 'e ', '', `${long}1`, `${long}2`, 'null']
      const answers = await store.events.append(
        keys.map((idempotencyKey, index) => event(`e${index}`, { idempotencyKey })),
        undefined,
      )
      expectEqual(
        'the answers',
        answers.map(({ status }) => status),
        keys.map(() => 'stored'),
      )
      const again = await store.events.append(
        keys.map((idempotencyKey) => event('again', { idempotencyKey })),
        undefined,
      )
      expectEqual(
        'the ids of the duplicates',
        again.map((answer) => answer.status === 'duplicate' && answer.id),
        keys.map((_, index) => `e${index}`),
      )
    },
  },
  {
    id: 'C-44',
    title: 'forgets the keys of handled events only: not of those that wait, run, or are dead letters',
    rules: ['C-40', 'R-DUR-8'],
    needs: ['dead-letters'],
    async run({ open }) {
      const store = await open({ idempotencyRetentionMs: RETENTION_MS })
      const names = ['running', 'dead', 'done', 'waiting']
      const worker = await store.join()
      await store.append(
        ...names.map((name) =>
          event(name, { idempotencyKey: name, due: name === 'waiting' ? { delayMs: 100 * RETENTION_MS } : undefined }),
        ),
      )
      const held = (await store.claim(worker)).events
      const leaseOf = (id: string): { key: string; token: string } =>
        present(
          id,
          held.find(({ message }) => message.id === id),
        ).lease
      await store.settle({ kind: 'dead', lease: leaseOf('dead'), reason: 'failed', progress: {} })
      await store.complete(leaseOf('done'))
      for (let round = 0; round < 4; round += 1) {
        await store.passTime(RETENTION_MS)
        expectEqual('what a heartbeat answers', await store.events.heartbeat(worker), 'ok')
        await store.events.sweep()
      }
      const answers = await store.events.append(
        names.map((name) => event(`${name}-again`, { idempotencyKey: name })),
        undefined,
      )
      expectEqual(
        'the answers',
        answers.map(({ status }) => status),
        ['duplicate', 'duplicate', 'stored', 'duplicate'],
      )
      await store.complete(leaseOf('running'))
    },
  },
  {
    id: 'C-44b',
    title: 'forgets thousands of keys, and keeps those that are younger',
    rules: ['R-DUR-8'],
    needs: [],
    async run({ open }) {
      const store = await open({ idempotencyRetentionMs: RETENTION_MS })
      const handle = async (prefix: string): Promise<void> => {
        await store.appendMany(events(1_200, prefix, (index) => ({ idempotencyKey: `${prefix}${index}` })))
        const claimed = await store.claimAll(await store.join(), { limit: 200 })
        await store.complete(...claimed.map(({ lease }) => lease))
      }
      await handle('old')
      await store.passTime(RETENTION_MS / 2)
      await handle('young')
      await store.passTime(RETENTION_MS / 2 + store.slackMs + 2)
      // Bounded batches: it may take some sweeps.
      for (let sweep = 0; sweep < 10; sweep += 1) await store.events.sweep()
      const stored = { old: 0, young: 0 }
      for (const prefix of ['old', 'young'] as const)
        for (let index = 0; index < 1_200; index += 100) {
          const batch = Array.from({ length: 100 }, (_, offset) =>
            event('again', { idempotencyKey: `${prefix}${index + offset}` }),
          )
          const answers = await store.events.append(batch, undefined)
          stored[prefix] += answers.filter(({ status }) => status === 'stored').length
        }
      expectEqual('how many keys can be used again', stored, { old: 1_200, young: 0 })
    },
  },
]

async function appendWithKey(store: Subject, id: string): Promise<Appended> {
  const [answer] = await store.events.append([event(id, { idempotencyKey: 'key' })], undefined)
  return present('the answer to an append', answer)
}
