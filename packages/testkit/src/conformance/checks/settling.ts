import type { Check } from '../check.ts'
import { expectEqual } from '../expect.ts'
import { event, events, failure, HANDLED, trying } from '../sketches.ts'
import { idsOf } from '../subject.ts'

/** What each report leaves behind. */
export const settlingChecks: readonly Check[] = [
  {
    id: 'S-01',
    title: 'lets an event that was completed leave the store, and nothing else',
    rules: ['R-SCH-3'],
    needs: ['inspect'],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('a'), event('b'))
      const [first] = (await store.claim(worker)).events
      await store.complete(first?.lease ?? { key: '', token: '' })
      expectEqual('what is shown of it', await store.inspect.get(first?.lease.key ?? ''), undefined)
      const { entries } = await store.inspect.list()
      expectEqual(
        'what is listed',
        entries.map(({ message, state }) => [message.id, state]),
        [['b', 'running']],
      )
    },
  },
  {
    id: 'S-02',
    title: 'keeps progress while an event runs: who takes over knows what is done',
    rules: ['R-DUR-6'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('a'))
      const { lease } = await store.claimOne(await store.join(), { start: 1 })
      const progress = { ship: { status: 'done', attempts: 1 }, bill: { status: 'trying', attempts: 1 } } as const
      await store.settle({ kind: 'progress', lease, progress: { ship: progress.ship } })
      await store.settle({ kind: 'progress', lease, progress })
      await store.killWorkers()
      const heir = await store.claimOne(await store.join())
      expectEqual('the progress', heir.progress, progress)
      expectEqual('the interruptions', heir.interruptions, 1)
      expectEqual('its place', heir.orderKey, Number.NEGATIVE_INFINITY)
    },
  },
  {
    id: 'S-03',
    title: 'begins to count anew with a retry, and keeps the progress that came with it',
    rules: ['R-DUR-3', 'R-DUR-6'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('a'))
      await store.claimOne(await store.join(), { start: 1 })
      await store.killWorkers()
      const worker = await store.join()
      const { lease } = await store.claimOne(worker, { start: 1 })
      await store.settle({ kind: 'retry', lease, progress: trying(2), delayMs: 0 })
      await store.ready()
      const { progress, unreported, interruptions, handlers } = await store.claimOne(worker)
      expectEqual(
        'what is known',
        { progress, unreported, interruptions, handlers },
        {
          progress: trying(2),
          unreported: 0,
          interruptions: 0,
          handlers: ['ship'],
        },
      )
    },
  },
  {
    id: 'S-04',
    title: 'remembers since when an event waits for a handler that nobody knows',
    rules: ['R-DUR-13'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('a'))
      const worker = await store.join()
      const first = await store.claimOne(worker)
      expectEqual('the time before', first.deferredSince, undefined)
      await store.settle({ kind: 'defer', lease: first.lease, delayMs: 0 })
      await store.ready()
      const second = await store.claimOne(worker)
      expectEqual('whether it is a time', typeof second.deferredSince, 'number')
      await store.settle({ kind: 'defer', lease: second.lease, delayMs: 60_000 })
      await store.passTime(60_000)
      await store.ready()
      const { events: again, now } = await store.claim(worker)
      const waitedMs = now - (again[0]?.deferredSince ?? Number.NaN)
      expectEqual('whether it has waited a minute', waitedMs >= 60_000 && waitedMs <= 60_000 + store.slackMs, true)
    },
  },
  {
    id: 'S-05',
    title: 'keeps an event that is given up as dead where there is no place for dead letters',
    rules: ['R-DUR-14'],
    needs: ['without-dead-letters', 'inspect'],
    async run({ open }) {
      const store = await open({ deadLetters: false })
      await store.append(event('a', { lane: 'x' }), event('b', { lane: 'x' }))
      const worker = await store.join()
      const { lease } = await store.claimOne(worker, { limit: 1 })
      await store.settle({ kind: 'dead', lease, reason: 'failed', progress: trying(1), error: failure('no') })
      await store.killWorkers()
      await store.ready()
      expectEqual('what is claimed', await store.claimIds(await store.join()), ['b'])
      expectEqual('how many are counted', (await store.inspect.counts()).dead, 1)
      const shown = await store.inspect.get(lease.key)
      expectEqual('what is shown', [shown?.state, shown?.error?.message, shown?.progress], ['dead', 'no', trying(1)])
      expectEqual('the answer to a cancel by a publisher', await store.events.cancel(lease.key), 'too-late')
      expectEqual('the answer to a cancel by a person', await store.inspect.cancel(lease.key), 'cancelled')
      expectEqual('what is shown then', await store.inspect.get(lease.key), undefined)
    },
  },
  {
    id: 'S-05b',
    title: 'makes a dead event ready when a person asks for it, with what is done and new attempts',
    rules: ['R-DUR-14'],
    needs: ['without-dead-letters', 'inspect'],
    async run({ open }) {
      const store = await open({ deadLetters: false })
      await store.append(event('a'))
      const worker = await store.join()
      const { lease } = await store.claimOne(worker, { start: 1 })
      const done = { status: 'done', attempts: 1 } as const
      await store.settle({ kind: 'dead', lease, reason: 'failed', progress: { ...trying(3), bill: done } })
      expectEqual('the answer', await store.inspect.retryNow(lease.key), 'readied')
      await store.ready()
      const { progress, unreported } = await store.claimOne(worker)
      expectEqual('what is done', progress['bill'], done)
      expectEqual('the attempts of the other', [progress['ship']?.attempts, unreported], [0, 0])
    },
  },
  {
    id: 'S-06',
    title: 'completes one event of a lane and starts the next in one call',
    rules: ['R-LANE-3', 'R-DUR-6'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(...events(2, 'x', () => ({ lane: 'x' })))
      const [first, second] = (await store.claim(worker, { start: 1 })).events
      const none = { key: '', token: '' }
      const answers = await store.events.report([
        { kind: 'complete', lease: first?.lease ?? none },
        { kind: 'start', lease: second?.lease ?? none, handlers: ['ship'] },
      ])
      expectEqual(
        'the answers',
        answers.map(({ status }) => status),
        ['ok', 'ok'],
      )
      await store.killWorkers()
      const claimed = (await store.claim(await store.join())).events
      expectEqual(
        'what is left',
        claimed.map(({ message, interruptions }) => [message.id, interruptions]),
        [['x-0001', 1]],
      )
    },
  },
  {
    id: 'S-07',
    title: 'stores nothing of an empty append, and answers an empty report',
    rules: [],
    needs: [],
    async run({ open }) {
      const store = await open()
      expectEqual('the answers', [await store.events.append([], undefined), await store.events.report([])], [[], []])
      const { events: none, exhausted } = await store.claim(await store.join(), { types: [] })
      expectEqual('a claim of no types', { none, exhausted }, { none: [], exhausted: true })
    },
  },
  {
    id: 'S-10',
    title: 'is closed when all that opened it have closed it, and can be opened again',
    rules: ['R-STOP-2'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.events.open()
      await store.events.close()
      await store.append(event('a'))
      await store.complete((await store.claimOne(await store.join())).lease)
      await store.events.close()
      await store.events.open()
      await store.append(event('b'))
      expectEqual('what is claimed', await store.claimIds(await store.join()), ['b'])
    },
  },
  {
    id: 'S-08',
    title: 'counts every event in one state, and lists them by state, type and session',
    rules: ['R-DUR-9'],
    needs: ['inspect', 'dead-letters'],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('undecodable'), event('dead'), event('running', { sessionId: 'chat' }))
      const none = { key: '', token: '' }
      const [undecodable, dead] = (await store.claim(worker, { types: HANDLED })).events.map(({ lease }) => lease)
      await store.settle({ kind: 'undecodable', lease: undecodable ?? none, error: failure('no') })
      await store.settle({ kind: 'dead', lease: dead ?? none, reason: 'failed', progress: {} })
      await store.append(event('ready', { type: 'order.other' }), event('scheduled', { due: { delayMs: 60_000 } }))
      const {
        scheduled,
        ready,
        running,
        undecodable: unread,
        dead: stays,
        deadLetters,
        workers,
        stuck,
      } = await store.inspect.counts()
      expectEqual(
        'the counts',
        { scheduled, ready, running, unread, stays, deadLetters, workers, stuck },
        { scheduled: 1, ready: 1, running: 1, unread: 1, stays: 0, deadLetters: 1, workers: 1, stuck: 0 },
      )
      const listed = async (query: Parameters<typeof store.inspect.list>[0]): Promise<string[]> =>
        (await store.inspect.list(query)).entries.map(({ message }) => message.id)
      expectEqual('what is scheduled', await listed({ state: 'scheduled' }), ['scheduled'])
      expectEqual('what is of a type', await listed({ type: 'order.other' }), ['ready'])
      expectEqual('what is of a session', await listed({ sessionId: 'chat' }), ['running'])
      const { entries } = await store.inspect.list({ state: 'running' })
      expectEqual(
        'whether it says who runs it',
        entries.map((one) => one.worker !== undefined),
        [true],
      )
      await store.outliveLeases()
      expectEqual('what is stuck when a lease is over', (await store.inspect.counts()).stuck, 1)
    },
  },
  {
    id: 'S-09',
    title: 'pages through stored events while others come and go',
    rules: ['R-DUR-9'],
    needs: ['inspect'],
    async run({ open }) {
      const store = await open()
      const appended = await store.append(...events(10, 'e'))
      const first = await store.inspect.list({ limit: 4 })
      await store.events.cancel(appended[1]?.key ?? '')
      await store.append(event('new'))
      const ids = first.entries.map(({ message }) => message.id)
      for (let cursor = first.next; cursor !== undefined;) {
        const page = await store.inspect.list({ limit: 4, cursor })
        ids.push(...page.entries.map(({ message }) => message.id))
        cursor = page.next
      }
      const wanted = events(10, 'e').map(({ message }) => message.id)
      expectEqual(
        'what the pages have',
        ids.filter((id) => id !== 'new'),
        wanted,
      )
      expectEqual('what is claimed', idsOf((await store.claim(await store.join())).events).length, 10)
    },
  },
]
