import type { ApprovalQuery, NewApproval, StoredApproval } from '@buslane/core'
import type { Check } from '../check.ts'
import { expectEqual, present } from '../expect.ts'
import { event, idOf } from '../sketches.ts'
import type { Subject } from '../subject.ts'

const NEEDS = ['approvals'] as const
const AT_ONCE = 20

const approval = (id: string, sketch: Partial<NewApproval> = {}): NewApproval => ({
  id,
  status: 'pending',
  type: 'order.refund',
  sessionId: 'BUS',
  record: `{"id":"${id}"}`,
  ...sketch,
})

const found = async (store: Subject, id: string): Promise<StoredApproval> =>
  present(`approval '${id}'`, await store.approvals.get(id))

/** The ids of what is claimable now, of which nothing is left then. */
const claimable = async (store: Subject): Promise<readonly string[]> => {
  await store.ready()
  return store.claimIds(await store.join())
}

const idsOf = async (store: Subject, query: ApprovalQuery): Promise<readonly string[]> =>
  (await store.approvals.list(query)).entries.map(({ id }) => id)

/** What is kept of approvals, and what follows from them in the same commit. */
export const approvalChecks: readonly Check[] = [
  {
    id: 'A-01',
    title: 'keeps an approval as it was given, to the byte',
    rules: [],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const given = approval('a', {
        status: 'odd',
        type: 'order.other',
        sessionId: 'chat',
        record: '{ "as":  "received", "n": 1.0, "text": "\\u0000 \u{1f600} \u2028 \'; --" }',
      })
      await store.approvals.add(given, [])
      const { revision, addedAt, updatedAt, readAt, ...kept } = await found(store, 'a')
      expectEqual('what is kept', kept, given)
      expectEqual('its revision', revision, 1)
      expectEqual('when it was updated, after it was added', updatedAt - addedAt, 0)
      expectEqual('whether it was read just after', readAt - addedAt >= 0 && readAt - addedAt <= store.slackMs, true)
      expectEqual('what is found where nothing is', await store.approvals.get('b'), undefined)
    },
  },
  {
    id: 'A-02',
    title: 'adds one id once: the second changes nothing, and nothing follows from it',
    rules: [],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      expectEqual('the first answer', await store.approvals.add(approval('a'), [event('first')]), 'added')
      const second = await store.approvals.add(approval('a', { record: '{}' }), [event('second')])
      expectEqual('the second answer', second, 'exists')
      expectEqual('the record', (await found(store, 'a')).record, '{"id":"a"}')
      expectEqual('what followed', await claimable(store), ['first'])
    },
  },
  {
    id: 'A-02b',
    title: 'adds one of many of one id that come at once',
    rules: [],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const stores = await store.instances(2)
      const answers = await Promise.all(
        Array.from({ length: AT_ONCE }, (_, index) =>
          stores[index % 2]!.approvals.add(approval('a', { record: `${index}` }), [event(idOf('e', index))]),
        ),
      )
      expectEqual('how many were added', answers.filter((answer) => answer === 'added').length, 1)
      const { record } = await found(store, 'a')
      expectEqual('what followed', await claimable(store), [idOf('e', Number(record))])
    },
  },
  {
    id: 'A-03',
    title: 'appends what follows from a new approval, at its time',
    rules: ['R-DUR-1'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const later = event('later', { due: { delayMs: 3_600_000 } })
      await store.approvals.add(approval('a'), [event('now'), later])
      expectEqual('what is there at once', await claimable(store), ['now'])
      await store.passTime(3_600_000 - store.slackMs - 1)
      expectEqual('what is there before its time', await claimable(store), [])
      await store.passTime(store.slackMs + 1)
      expectEqual('what is there at its time', await claimable(store), ['later'])
    },
  },
  {
    id: 'A-04',
    title: 'changes nothing by an update of another revision, and nothing follows from it',
    rules: [],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      await store.approvals.add(approval('a'), [])
      const update = (id: string, revision: number, record: string) =>
        store.approvals.update({ id, revision }, { status: 'approved', record }, [event(record)])
      expectEqual('the answer to the first', await update('a', 1, 'first'), 'updated')
      expectEqual('the answer to the second', await update('a', 1, 'second'), 'stale')
      expectEqual('the answer to one of the future', await update('a', 3, 'third'), 'stale')
      expectEqual('the answer where nothing is', await update('b', 1, 'fourth'), 'stale')
      const { status, record, revision } = await found(store, 'a')
      expectEqual('what is kept', { status, record, revision }, { status: 'approved', record: 'first', revision: 2 })
      expectEqual('what followed', await claimable(store), ['first'])
    },
  },
  {
    id: 'A-04b',
    title: 'does one of many updates of one revision that come at once',
    rules: [],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      await store.approvals.add(approval('a'), [])
      const stores = await store.instances(2)
      const answers = await Promise.all(
        Array.from({ length: AT_ONCE }, (_, index) => {
          const change = { status: 'approved', record: `${index}` }
          return stores[index % 2]!.approvals.update({ id: 'a', revision: 1 }, change, [event(idOf('e', index))])
        }),
      )
      expectEqual('how many were done', answers.filter((answer) => answer === 'updated').length, 1)
      const { record, revision } = await found(store, 'a')
      expectEqual('its revision', revision, 2)
      expectEqual('what followed', await claimable(store), [idOf('e', Number(record))])
    },
  },
  {
    id: 'A-05',
    title: 'counts revisions, and knows when it was added and when it was updated',
    rules: ['R-DUR-4'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      await store.approvals.add(approval('a'), [])
      await store.passTime(60_000)
      for (const revision of [1, 2])
        await store.approvals.update({ id: 'a', revision }, { status: 'x', record: '{}' }, [])
      await store.passTime(60_000)
      const { revision, addedAt, updatedAt, readAt } = await found(store, 'a')
      const between = (from: number, to: number): boolean =>
        to - from >= 60_000 && to - from <= 60_000 + 2 * store.slackMs
      expectEqual('its revision', revision, 3)
      expectEqual('whether it was updated a minute after it was added', between(addedAt, updatedAt), true)
      expectEqual('whether it was read a minute after it was updated', between(updatedAt, readAt), true)
    },
  },
  {
    id: 'A-06',
    title: 'lists the oldest first, page by page, while approvals come, change and go',
    rules: [],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      for (let index = 0; index < 8; index += 1) await store.approvals.add(approval(`a${index}`), [])
      const first = await store.approvals.list({ limit: 3 })
      await store.approvals.update({ id: 'a1', revision: 1 }, { status: 'denied', record: '{}' }, [])
      await store.approvals.update({ id: 'a4', revision: 1 }, { status: 'denied', record: '{}' }, [])
      await store.approvals.discard({ id: 'a2', revision: 1 })
      await store.approvals.discard({ id: 'a5', revision: 1 })
      await store.approvals.add(approval('new'), [])
      const second = await store.approvals.list({ limit: 3, cursor: first.next })
      const third = await store.approvals.list({ limit: 100, cursor: second.next })
      const pages = [first, second, third].map(({ entries }) => entries.map(({ id }) => id))
      expectEqual('the pages', pages, [
        ['a0', 'a1', 'a2'],
        ['a3', 'a4', 'a6'],
        ['a7', 'new'],
      ])
      expectEqual('what follows the last page', third.next, undefined)
    },
  },
  {
    id: 'A-06b',
    title: 'lists by status, type and session',
    rules: [],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      await store.approvals.add(approval('a'), [])
      await store.approvals.add(approval('b', { type: 'order.other' }), [])
      await store.approvals.add(approval('c', { sessionId: 'chat' }), [])
      await store.approvals.update({ id: 'c', revision: 1 }, { status: 'denied', record: '{}' }, [])
      expectEqual('those of a status', await idsOf(store, { status: 'pending' }), ['a', 'b'])
      expectEqual('those of a status that one has now', await idsOf(store, { status: 'denied' }), ['c'])
      expectEqual('those of a type', await idsOf(store, { type: 'order.refund' }), ['a', 'c'])
      expectEqual('those of a session', await idsOf(store, { sessionId: 'chat' }), ['c'])
      expectEqual('those of all at once', await idsOf(store, { status: 'pending', sessionId: 'chat' }), [])
    },
  },
  {
    id: 'A-07',
    title: 'discards one of the revision that is said, and no other',
    rules: [],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      await store.approvals.add(approval('a'), [])
      await store.approvals.update({ id: 'a', revision: 1 }, { status: 'denied', record: '{}' }, [])
      expectEqual('the answer to a stale one', await store.approvals.discard({ id: 'a', revision: 1 }), 'stale')
      expectEqual('whether it is still there', (await found(store, 'a')).revision, 2)
      expectEqual('the answer', await store.approvals.discard({ id: 'a', revision: 2 }), 'discarded')
      expectEqual('the answer to a second', await store.approvals.discard({ id: 'a', revision: 2 }), 'stale')
      expectEqual('what is found then', await store.approvals.get('a'), undefined)
    },
  },
  {
    id: 'A-08',
    title: 'has after a crash what was there before, and what follows from it',
    rules: ['R-DUR-2'],
    needs: ['approvals', 'restart'],
    async run({ open }) {
      const store = await open()
      await store.approvals.add(approval('a'), [])
      await store.approvals.update({ id: 'a', revision: 1 }, { status: 'approved', record: '{}' }, [event('run')])
      const next = await store.restart()
      const { status, revision } = await found(next, 'a')
      expectEqual('what is kept', { status, revision }, { status: 'approved', revision: 2 })
      expectEqual('what follows', await claimable(next), ['run'])
      const answer = await next.approvals.update({ id: 'a', revision: 2 }, { status: 'running', record: '{}' }, [])
      expectEqual('the answer to an update', answer, 'updated')
    },
  },
]
