import type { StoredError } from '@buslane/core'
import type { Check } from '../check.ts'
import { expectEqual, present } from '../expect.ts'
import { event, events, failure, idOf, trying } from '../sketches.ts'
import { die, dieAgain, letter } from '../dying.ts'

const NEEDS = ['dead-letters'] as const

/** What a dead letter keeps, and how it is found. */
export const deadLetterChecks: readonly Check[] = [
  {
    id: 'C-45',
    title: 'keeps all that is known of an event that is given up',
    rules: ['R-DUR-14'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const sketch = {
        lane: 'x',
        priority: 10,
        sessionId: 'chat',
        onCrash: 'fail',
        idempotencyKey: 'k',
        payload: '{ "as": "received" }',
        headers: '{"correlationId":"c"}',
      } as const
      const given = event('a', sketch)
      const { acceptedAt } = await store.appendOne(given)
      const progress = {
        ship: { status: 'done', attempts: 1 },
        bill: { status: 'failed', attempts: 2, errors: [failure('no', acceptedAt), failure('no!', acceptedAt)] },
      } as const
      const error: StoredError = {
        name: 'BusError',
        message: 'gave up',
        code: 'TIMED_OUT',
        stack: 'at x',
        failedAt: acceptedAt,
        cause: { ...failure('why'), cause: failure('why why') },
      }
      const { lease } = await store.claimOne(await store.join('checks'), { start: 1 })
      await store.settle({ kind: 'dead', lease, reason: 'failed', progress, error })
      const [kept, ...others] = await store.letters()
      const { key, deadAt = Number.NaN, firstFailedAt, worker = '', ...facts } = kept ?? {}
      expectEqual('what is kept', facts, {
        message: given.message,
        reason: 'failed',
        lane: 'x',
        priority: 10,
        onCrash: 'fail',
        idempotencyKey: 'k',
        progress,
        error,
        acceptedAt,
        replays: 0,
      })
      expectEqual('when it was given up', deadAt - acceptedAt >= 0 && deadAt - acceptedAt <= store.slackMs, true)
      expectEqual('whether it first failed before that', (firstFailedAt ?? Number.NaN) <= deadAt, true)
      expectEqual('whether it says who gave it up', worker.length > 0, true)
      expectEqual('what is found by its key', await store.deadLetters.get(key ?? ''), kept)
      expectEqual('how many others there are', others.length, 0)
    },
  },
  {
    id: 'C-45b',
    title: 'keeps what was never in the event store',
    rules: ['R-DUR-16'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const given = letter('command', { kind: 'command', type: 'order.place' })
      const key = await store.deadLetters.add(given)
      const kept = present('the letter', await store.deadLetters.get(key))
      const { message, reason, lane, priority, progress, error, worker, replays, edited } = kept
      expectEqual('what is kept', { message, reason, lane, priority, progress, error, worker }, given)
      expectEqual('what is counted', { replays, edited }, { replays: 0, edited: undefined })
      expectEqual('whether it was given up now', kept.deadAt - kept.acceptedAt <= store.slackMs, true)
    },
  },
  {
    id: 'C-45d',
    title: 'knows when an event first failed that was tried for a while',
    rules: ['R-DUR-14'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      await store.append(event('a'))
      const first = await store.claimOne(await store.join(), { start: 1 })
      await store.settle({ kind: 'retry', lease: first.lease, progress: trying(1), delayMs: 60_000 })
      await store.passTime(60_000)
      await store.ready()
      await dieAgain(store, 'a', await store.join())
      const [kept] = await store.letters()
      const triedMs = (kept?.deadAt ?? Number.NaN) - (kept?.firstFailedAt ?? Number.NaN)
      expectEqual('whether it was tried for a minute', triedMs >= 60_000 && triedMs <= 60_000 + store.slackMs, true)
    },
  },
  {
    id: 'C-46',
    title: 'keeps errors of any size, depth and text',
    rules: ['R-DUR-14'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      let error: StoredError = { name: '', message: '\n\t"\\ \u{1f600} \u2028 \'; --', failedAt: 0 }
      for (let depth = 0; depth < 40; depth += 1) error = { ...failure(`cause ${depth}`), cause: error }
      const long = failure('x'.repeat(1_000_000))
      await store.deadLetters.add({
        ...letter('a'),
        error,
        progress: { ship: { status: 'failed', attempts: 1, errors: [long, error] } },
      })
      const [kept] = await store.letters()
      expectEqual('the error', kept?.error, error)
      expectEqual('the errors of the handler', kept?.progress['ship']?.errors, [long, error])
    },
  },
  {
    id: 'C-56',
    title: 'lists the oldest first, page by page, while letters come and go',
    rules: [],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const keys: string[] = []
      for (let index = 0; index < 10; index += 1) keys.push(await store.deadLetters.add(letter(idOf('l', index))))
      const first = await store.deadLetters.list({ limit: 3 })
      expectEqual('the discarded', await store.deadLetters.discard([keys[0] ?? '', keys[2] ?? '', keys[5] ?? '']), 3)
      await store.deadLetters.add(letter('new'))
      const second = await store.deadLetters.list({ limit: 3, cursor: first.next })
      const third = await store.deadLetters.list({ limit: 100, cursor: second.next })
      const pages = [first, second, third].map(({ entries }) => entries.map(({ message }) => message.id))
      expectEqual('the pages', pages, [
        ['l-0000', 'l-0001', 'l-0002'],
        ['l-0003', 'l-0004', 'l-0006'],
        ['l-0007', 'l-0008', 'l-0009', 'new'],
      ])
      expectEqual('what follows the last page', third.next, undefined)
    },
  },
  {
    id: 'C-56b',
    title: 'lists by type, reason, session and time, and counts by reason',
    rules: [],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      await store.deadLetters.add({ ...letter('a'), reason: 'failed' })
      await store.passTime(store.slackMs + 60_000)
      await store.deadLetters.add({ ...letter('b', { type: 'order.other' }), reason: 'expired' })
      await store.passTime(store.slackMs + 60_000)
      await store.deadLetters.add({ ...letter('c', { sessionId: 'chat' }), reason: 'failed' })
      const listed = async (query: Parameters<typeof store.deadLetters.list>[0]): Promise<string[]> =>
        (await store.deadLetters.list(query)).entries.map(({ message }) => message.id)
      expectEqual('by type', await listed({ type: 'order.other' }), ['b'])
      expectEqual('by reason', await listed({ reason: 'failed' }), ['a', 'c'])
      expectEqual('by session', await listed({ sessionId: 'chat' }), ['c'])
      const [, second] = await store.letters()
      const deadAt = second?.deadAt ?? Number.NaN
      expectEqual('from a time on', await listed({ since: deadAt }), ['b', 'c'])
      expectEqual('before a time', await listed({ until: deadAt }), ['a'])
      expectEqual('within a millisecond', await listed({ since: deadAt, until: deadAt + 1 }), ['b'])
      expectEqual(
        'by all at once',
        await listed({ reason: 'failed', since: deadAt, sessionId: 'chat', type: 'order.placed' }),
        ['c'],
      )
      expectEqual('by what no letter has', await listed({ reason: 'interrupted' }), [])
      expectEqual('the counts', await store.deadLetters.count(), { failed: 2, expired: 1 })
    },
  },
  {
    id: 'C-56c',
    title: 'lists a hundred letters unless it is asked for more or less',
    rules: [],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      for (const one of events(101, 'l')) await store.deadLetters.add(letter(one.message.id))
      expectEqual('the size of a page', (await store.deadLetters.list()).entries.length, 100)
      expectEqual('the size of all pages', (await store.letters()).length, 101)
      expectEqual('the size of a page of 101', (await store.deadLetters.list({ limit: 101 })).entries.length, 101)
    },
  },
  {
    id: 'C-56d',
    title: 'discards what it is told, and says how many were there',
    rules: [],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const keys = [await store.deadLetters.add(letter('a')), await store.deadLetters.add(letter('b'))]
      const [a = '', b = ''] = keys
      expectEqual('what is discarded', await store.deadLetters.discard([a, '999999999']), 1)
      expectEqual('what is discarded then', await store.deadLetters.discard([a]), 0)
      expectEqual(
        'what is left',
        (await store.letters()).map(({ key }) => key),
        [b],
      )
      expectEqual('what is found', await store.deadLetters.get(a), undefined)
      expectEqual('what a replay answers', await store.deadLetters.replay(a), 'gone')
    },
  },
  {
    id: 'C-45c',
    title: 'moves an event out of its place and into the dead letters in one step',
    rules: ['R-DUR-14', 'R-LANE-3'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      await store.append(event('next', { lane: 'x', orderOffsetMs: 1_000 }))
      const [key] = await die(store, event('a', { lane: 'x' }))
      await store.killWorkers()
      await store.ready()
      expectEqual('what is claimed', await store.claimIds(await store.join()), ['next'])
      expectEqual(
        'the letters',
        (await store.letters()).map((one) => [one.key, one.message.id]),
        [[key, 'a']],
      )
    },
  },
]
