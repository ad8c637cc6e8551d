import type { NewEvent, Progress, StoredMessage } from '@buslane/core'
import type { Check } from '../check.ts'
import { expectEqual } from '../expect.ts'
import type { OpenTransaction } from '../harness.ts'
import { event } from '../sketches.ts'
import type { Subject } from '../subject.ts'

/** Events and completions that are written in a transaction of the caller. */
export const transactionChecks: readonly Check[] = [
  {
    id: 'C-38',
    title: 'takes a completion back that was written in a transaction which is rolled back',
    rules: ['R-DUR-15'],
    needs: ['transactions'],
    async run({ open }) {
      const store = await open()
      await store.append(event('a'))
      const { lease } = await store.claimOne(await store.join(), { start: 1 })
      const first = await store.begin()
      expectEqual('the answer', await store.events.completeIn?.(first.handle, lease, 'ship', 1), 'ok')
      await first.rollback()
      await store.killWorkers()
      const again = await store.claimOne(await store.join(), { start: 1 })
      expectEqual('the progress after the rollback', again.progress, {})
      const second = await store.begin()
      expectEqual('the answer', await store.events.completeIn?.(second.handle, again.lease, 'ship', 2), 'ok')
      await second.commit()
      await store.killWorkers()
      const last = await store.claimOne(await store.join())
      expectEqual('the progress after the commit', last.progress, { ship: { status: 'done', attempts: 2 } })
    },
  },
  {
    id: 'C-38b',
    title: 'answers `lost` to a completion in a transaction whose lease is lost, and writes nothing',
    rules: ['R-DUR-15'],
    needs: ['transactions'],
    async run({ open }) {
      const store = await open()
      await store.append(event('a'))
      const { lease } = await store.claimOne(await store.join(), { start: 1 })
      await store.killWorkers()
      const transaction = await store.begin()
      expectEqual('the answer', await store.events.completeIn?.(transaction.handle, lease, 'ship', 1), 'lost')
      await transaction.commit()
      expectEqual('the progress', (await store.claimOne(await store.join())).progress, {})
    },
  },
  {
    id: 'C-38d',
    title:
      'keeps a completion that was committed, whatever is reported of the handlers after that, and takes no second one',
    rules: ['R-DUR-6', 'R-DUR-15'],
    needs: ['transactions'],
    async run({ open }) {
      const store = await open()
      await store.append(event('a'))
      const { lease } = await store.claimOne(await store.join(), { start: 1 })
      const first = await store.begin()
      await store.events.completeIn?.(first.handle, lease, 'ship', 1)
      await first.commit()
      // The worker writes the end of an earlier handler, and takes the one that committed for one that failed.
      const progress: Progress = { audit: { status: 'done', attempts: 1 }, ship: { status: 'trying', attempts: 1 } }
      await store.report({ kind: 'progress', lease, progress })
      const second = await store.begin()
      expectEqual('the answer', await store.events.completeIn?.(second.handle, lease, 'ship', 2), 'lost')
      await second.rollback()
      await store.report({ kind: 'retry', lease, progress, delayMs: 0 })
      const again = await store.claimOne(await store.join())
      expectEqual('the progress', again.progress, {
        audit: { status: 'done', attempts: 1 },
        ship: { status: 'done', attempts: 1 },
      })
    },
  },
  {
    id: 'C-71',
    title:
      'gives what transactions wrote after their commit, in whatever order that is, and nothing of one rolled back',
    rules: ['R-DUR-7'],
    needs: ['transactions'],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      const written: { readonly transaction: OpenTransaction; readonly message: StoredMessage }[] = []
      for (const id of ['a', 'b', 'phantom', 'c']) {
        const transaction = await store.begin()
        await appendIn(store, transaction, event(id))
        written.push({ transaction, message: event(id).message })
      }
      expectEqual('what is claimed before the commits', await claimReady(store, worker), [])
      const seen: string[] = []
      for (const index of [3, 2, 0, 1]) {
        const { transaction, message } = written[index] ?? never()
        await (message.id === 'phantom' ? transaction.rollback() : transaction.commit())
        seen.push(...(await claimReady(store, worker)))
      }
      expectEqual('what is claimed', seen, ['c', 'a', 'b'])
    },
  },
  {
    id: 'C-71b',
    title: 'orders a named lane across transactions, and does not let an open one hold it up',
    rules: ['R-DUR-7', 'R-LANE-3'],
    needs: ['transactions'],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      const open_ = await store.begin()
      await appendIn(store, open_, event('early', { lane: 'x', orderOffsetMs: -1_000 }))
      await store.append(event('a', { lane: 'x' }), event('b', { lane: 'x' }))
      const [first] = (await store.claim(worker, { limit: 1 })).events
      await store.complete(first?.lease ?? { key: '', token: '' })
      expectEqual('what went on while it was open', first?.message.id, 'a')
      await open_.commit()
      await store.ready()
      expectEqual('what is claimed after the commit', await store.claimIds(worker), ['early', 'b'])
    },
  },
  {
    id: 'C-71c',
    title: 'stores a key once that two transactions write, or a transaction and an append',
    rules: ['R-DUR-7', 'R-DUR-8'],
    needs: ['transactions'],
    async run({ open }) {
      const store = await open()
      const [first, second] = [await store.begin(), await store.begin()]
      await appendIn(store, first, event('first', { idempotencyKey: 'k' }))
      const waiting = store.events.appendIn?.(second.handle, event('second', { idempotencyKey: 'k' }))
      await first.commit()
      expectEqual('the answer to the second', await waiting, { status: 'duplicate', id: 'first' })
      await second.commit()
      const [third] = await store.events.append([event('third', { idempotencyKey: 'k' })], undefined)
      expectEqual('the answer to an append', third, { status: 'duplicate', id: 'first' })
      await store.ready()
      expectEqual('what is claimed', await store.claimIds(await store.join()), ['first'])
    },
  },
  {
    id: 'C-71d',
    title: 'lets an append with the key of an open transaction wait, and stores it if that is rolled back',
    rules: ['R-DUR-7', 'R-DUR-8'],
    needs: ['transactions'],
    async run({ open }) {
      const store = await open()
      const ends = [
        { id: 'kept', end: 'commit', answer: 'duplicate' },
        { id: 'gone', end: 'rollback', answer: 'stored' },
      ] as const
      for (const { id, end, answer } of ends) {
        const transaction = await store.begin()
        await appendIn(store, transaction, event(id, { idempotencyKey: id }))
        const waiting = store.events.append([event(`${id}-again`, { idempotencyKey: id })], undefined)
        await transaction[end]()
        expectEqual(`the answer after a ${end}`, (await waiting)[0]?.status, answer)
      }
      await store.ready()
      expectEqual('what is claimed', await store.claimIds(await store.join()), ['kept', 'gone-again'])
    },
  },
  {
    id: 'C-38c',
    title:
      'lets other events be claimed, reported, cancelled and rescued while a transaction with a completion is open',
    rules: ['R-DUR-10', 'R-DUR-15'],
    needs: ['transactions'],
    async run({ open }) {
      const store = await open()
      const [worker, dead] = [await store.join(), await store.join()]
      await store.append(event('slow', { lane: 'x' }), event('done', { lane: 'y' }), event('rescued', { lane: 'z' }))
      const [slow, other] = (await store.claim(worker, { limit: 2, start: 2 })).events
      await store.claimOne(dead)
      await store.outliveLeases({ butOf: [worker] })
      const none = { key: '', token: '' }
      const transaction = await store.begin()
      const written = await store.events.completeIn?.(transaction.handle, slow?.lease ?? none, 'ship', 1)
      expectEqual('the answer', written, 'ok')
      await store.complete(other?.lease ?? none)
      const { key } = await store.appendOne(event('cancelled', { lane: 'y' }))
      expectEqual('the answer to a cancel', await store.events.cancel(key), 'cancelled')
      expectEqual('how many are rescued', (await store.events.sweep()).rescued, 1)
      expectEqual('what a heartbeat answers', await store.events.heartbeat(worker), 'ok')
      await store.append(event('next', { lane: 'y' }))
      expectEqual('what is claimed', await store.claimIds(worker), ['rescued', 'next'])
      await transaction.commit()
      await store.complete(slow?.lease ?? none)
    },
  },
]

async function appendIn(store: Subject, transaction: OpenTransaction, event: NewEvent): Promise<void> {
  const answer = await store.events.appendIn?.(transaction.handle, event)
  expectEqual('the answer to an append in a transaction', answer?.status, 'stored')
}

async function claimReady(store: Subject, worker: string): Promise<string[]> {
  await store.ready()
  return await store.claimIds(worker)
}

function never(): never {
  throw new Error('unreachable')
}
