import type { Check } from '../check.ts'
import { expectEqual, present } from '../expect.ts'
import { event, events, failure, HANDLED } from '../sketches.ts'
import { idsOf, inBatches } from '../subject.ts'

const HOUR_MS = 3_600_000
const PAIRS = 1_000

/** Cancelling, rescheduling, setting aside, and what survives a process. */
export const movingChecks: readonly Check[] = [
  {
    id: 'C-19',
    title: 'lets a cancel or a claim win, exactly one of them, in 1,000 races',
    rules: ['R-SCH-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [here, there] = await store.instances(2)
      const appended = await store.appendMany(
        events(PAIRS, 'e', (index) => ({ lane: index % 2 === 0 ? undefined : `l${index % 7}` })),
      )
      const worker = await store.join()
      const cancelled = new Set<string>()
      const cancelling = async (): Promise<void> => {
        for (const batch of inBatches(appended.toReversed(), 20)) {
          const answers = await Promise.all(batch.map(({ key }) => (here ?? store).events.cancel(key)))
          for (const [index, { key }] of batch.entries()) if (answers[index] === 'cancelled') cancelled.add(key)
        }
      }
      const [claimed] = await Promise.all([
        (there ?? store).claimAll(worker, { limit: 20, laneLimit: PAIRS }),
        cancelling(),
      ])
      const late = await store.claimAll(worker, { limit: 100, laneLimit: PAIRS })
      const both = [...cancelled, ...[...claimed, ...late].map(({ lease }) => lease.key)]
      expectEqual('the keys that were cancelled or claimed', both.toSorted(), appended.map(({ key }) => key).toSorted())
    },
  },
  {
    id: 'C-19b',
    title: 'cancels what nobody has claimed, and answers `too-late` for anything else',
    rules: ['R-SCH-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      const [scheduled, ready] = await store.append(event('scheduled', { due: { delayMs: HOUR_MS } }), event('ready'))
      const held = await store.appendOne(event('held', { orderOffsetMs: -1_000_000 }))
      const { lease } = await store.claimOne(worker, { limit: 1 })
      const cancel = (one: { readonly key: string } | undefined): Promise<string> => store.events.cancel(one?.key ?? '')
      const answers = [await cancel(scheduled), await cancel(ready), await cancel(held), await cancel(scheduled)]
      expectEqual('the answers', answers, ['cancelled', 'cancelled', 'too-late', 'too-late'])
      await store.complete(lease)
      expectEqual('the answer for one that is completed', await cancel(held), 'too-late')
      await store.passTime(HOUR_MS)
      await store.ready()
      expectEqual('what is left', await store.claimIds(await store.join()), [])
    },
  },
  {
    id: 'C-20',
    title: 'refuses to reschedule what is running, and loses nothing',
    rules: ['R-SCH-3'],
    needs: ['inspect'],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      const { key } = await store.appendOne(event('a', { due: { delayMs: HOUR_MS } }))
      expectEqual('the first answer', await store.inspect.reschedule(key, { delayMs: 2 * HOUR_MS }), 'rescheduled')
      await store.passTime(HOUR_MS)
      await store.events.heartbeat(worker)
      await store.ready()
      expectEqual('what is claimed at the first time', await store.claimIds(worker), [])
      expectEqual('the answer while it waits', await store.inspect.reschedule(key, { delayMs: 0 }), 'rescheduled')
      await store.ready()
      const { lease } = await store.claimOne(worker)
      expectEqual('the answer while it runs', await store.inspect.reschedule(key, { delayMs: HOUR_MS }), 'too-late')
      expectEqual('what else is claimed', await store.claimIds(worker), [])
      await store.complete(lease)
      expectEqual('the answer when it is gone', await store.inspect.reschedule(key, { delayMs: 0 }), 'too-late')
    },
  },
  {
    id: 'C-20b',
    title: 'makes what waits ready at once when a person asks for it',
    rules: ['R-SCH-3', 'R-DUR-9'],
    needs: ['inspect'],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('undecodable'), event('retry', { lane: 'x' }))
      const [undecodable, retry] = (await store.claim(worker)).events.map(({ lease }) => lease)
      const none = { key: '', token: '' }
      await store.settle({ kind: 'undecodable', lease: undecodable ?? none, error: failure('not JSON') })
      await store.settle({ kind: 'retry', lease: retry ?? none, progress: {}, delayMs: HOUR_MS })
      const { key } = await store.appendOne(event('scheduled', { due: { delayMs: HOUR_MS } }))
      const keys = [undecodable?.key ?? '', retry?.key ?? '', key]
      const answers: string[] = []
      for (const one of keys) answers.push(await store.inspect.retryNow(one))
      expectEqual('the answers', answers, ['readied', 'readied', 'readied'])
      await store.ready()
      const claimed = await store.claimIds(worker)
      expectEqual('what is claimed', claimed.toSorted(), ['retry', 'scheduled', 'undecodable'])
      expectEqual('the answer while it runs', await store.inspect.retryNow(key), 'too-late')
    },
  },
  {
    id: 'C-20c',
    title:
      'gives what a person makes ready before its time the place of that moment, and what was due the place it had',
    rules: ['R-PRI-5', 'R-SCH-3'],
    needs: ['inspect'],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      for (const lane of [undefined, 'x']) {
        const strange = await store.appendOne(event('strange', { lane, orderOffsetMs: -HOUR_MS }))
        const { lease } = await store.claimOne(worker)
        await store.settle({ kind: 'undecodable', lease, error: failure('not JSON') })
        const [early, , ready] = await store.append(
          event('early', { lane, due: { delayMs: HOUR_MS } }),
          event('first', { lane, orderOffsetMs: -HOUR_MS / 2 }),
          event('last', { lane, orderOffsetMs: HOUR_MS / 2 }),
        )
        const answers: string[] = []
        for (const one of [early, ready, strange]) answers.push(await store.inspect.retryNow(one?.key ?? ''))
        expectEqual('the answers', answers, ['readied', 'readied', 'readied'])
        const shown = present('the event', await store.inspect.get(early?.key ?? ''))
        expectEqual('its state', shown.state, 'ready')
        expectEqual('whether it is due', shown.dueAt < shown.acceptedAt + HOUR_MS, true)
        await store.ready()
        const claimed = (await store.claim(worker)).events
        expectEqual('the order', idsOf(claimed), ['strange', 'first', 'early', 'last'])
        await store.complete(...claimed.map(({ lease: its }) => its))
      }
    },
  },
  {
    id: 'C-20d',
    title: 'begins anew what was given up when a person makes it ready, or gives it another time',
    rules: ['R-DUR-3', 'R-DUR-14'],
    needs: ['without-dead-letters', 'inspect'],
    async run({ open }) {
      const store = await open({ deadLetters: false })
      const appended = await store.append(
        event('now', { onCrash: 'fail', expiresInMs: HOUR_MS }),
        event('soon', { onCrash: 'fail', expiresInMs: HOUR_MS }),
      )
      await store.claim(await store.join(), { start: 2 })
      await store.killWorkers()
      const keys = appended.map(({ key }) => key)
      const dead = await Promise.all(keys.map((key) => store.inspect.get(key)))
      expectEqual(
        'what they are',
        dead.map((one) => [one?.state, one?.interruptions]),
        [
          ['dead', 1],
          ['dead', 1],
        ],
      )
      const [now = '', soon = ''] = keys
      expectEqual('the answer', await store.inspect.retryNow(now), 'readied')
      expectEqual('the other answer', await store.inspect.reschedule(soon, { delayMs: HOUR_MS }), 'rescheduled')
      await store.passTime(HOUR_MS)
      await store.ready()
      const claimed = (await store.claim(await store.join())).events
      expectEqual(
        'what is claimed',
        claimed.map((one) => [
          one.message.id,
          one.interruptions,
          one.unreported,
          one.started,
          one.expired,
          one.replays,
        ]),
        [
          ['now', 0, 0, false, false, 1],
          ['soon', 0, 0, false, false, 1],
        ],
      )
      expectEqual(
        'whether they go before what has not begun',
        claimed.map(({ orderKey }) => orderKey === -Infinity),
        [false, false],
      )
    },
  },
  {
    id: 'C-22',
    title: 'has all that was scheduled after a process ended without a word, and gives it once',
    rules: ['R-SCH-3'],
    needs: ['restart'],
    async run({ open }) {
      const store = await open()
      await store.append(event('scheduled', { due: { delayMs: HOUR_MS } }), event('ready', { lane: 'x' }))
      const next = await store.restart()
      await next.passTime(HOUR_MS)
      await next.ready()
      const claimed = (await next.claim(await next.join())).events
      expectEqual('what is claimed', idsOf(claimed), ['ready', 'scheduled'])
      await next.complete(...claimed.map(({ lease }) => lease))
      const last = await next.restart()
      await last.ready()
      expectEqual('what is left', await last.claimIds(await last.join()), [])
    },
  },
  {
    id: 'C-23',
    title: 'loses nothing that was claimed by a process that ended without a word',
    rules: ['R-SCH-3', 'R-DUR-5'],
    needs: ['restart'],
    async run({ open }) {
      const store = await open()
      await store.append(event('a'), event('b', { lane: 'x' }))
      await store.claim(await store.join())
      const next = await store.restart()
      await next.killWorkers()
      expectEqual('what is claimed then', await next.claimIds(await next.join()), ['a', 'b'])
    },
  },
  {
    id: 'C-24',
    title: 'keeps what it was told is undecodable until a person moves it, and counts it',
    rules: ['R-DUR-9'],
    needs: ['inspect'],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('a', { payload: '{"half":' }))
      const { lease } = await store.claimOne(worker, { start: 1 })
      await store.settle({ kind: 'undecodable', lease, error: failure('Unexpected end of JSON input') })
      await store.ready()
      await store.killWorkers()
      expectEqual('what is claimed', await store.claimIds(await store.join()), [])
      const shown = present('the event', await store.inspect.get(lease.key))
      expectEqual('its state', shown.state, 'undecodable')
      expectEqual('its payload', shown.message.payload, '{"half":')
      expectEqual('its error', shown.error?.message, 'Unexpected end of JSON input')
      expectEqual('how many are counted', (await store.inspect.counts()).undecodable, 1)
      expectEqual('the answer to a cancel by a person', await store.inspect.cancel(lease.key), 'cancelled')
      expectEqual('how many are counted then', (await store.inspect.counts()).undecodable, 0)
    },
  },
  {
    id: 'C-24b',
    title: 'keeps an event whose type or version nobody here handles, and gives it to who does',
    rules: ['R-DUR-9', 'R-DUR-13'],
    needs: ['inspect'],
    async run({ open }) {
      const store = await open()
      const appended = await store.append(
        event('type', { type: 'order.strange' }),
        event('version', { version: 7 }),
        event('a'),
      )
      const worker = await store.join()
      const { lease } = await store.claimOne(worker)
      await store.complete(lease)
      for (let round = 0; round < 3; round += 1) {
        await store.ready()
        expectEqual('what is claimed', await store.claimIds(worker), [])
      }
      const shown = await Promise.all(appended.slice(0, 2).map(({ key }) => store.inspect.get(key)))
      expectEqual(
        'what is kept',
        shown.map((one) => one?.message.id),
        ['type', 'version'],
      )
      const types = [
        ...HANDLED,
        { type: 'order.strange', version: 1, handlers: ['ship'] },
        { type: 'order.placed', version: 7, handlers: [] },
      ]
      await store.ready(types)
      expectEqual('what is claimed by one that handles them', await store.claimIds(worker, { types }), [
        'type',
        'version',
      ])
    },
  },
  {
    id: 'C-25',
    title: 'does not let one strange event keep others of its batch from being claimed or settled',
    rules: ['R-DUR-9'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('a'), event('strange', { payload: 'not JSON \\u0000', headers: '' }), event('b'))
      const claimed = (await store.claim(worker)).events
      expectEqual('what is claimed', idsOf(claimed), ['a', 'strange', 'b'])
      expectEqual('the strange payload', claimed[1]?.message.payload, 'not JSON \\u0000')
      const answers = await store.events.report(
        claimed.map(({ lease, message }) =>
          message.id === 'strange'
            ? { kind: 'undecodable', lease, error: failure('not JSON') }
            : { kind: 'complete', lease },
        ),
      )
      expectEqual(
        'the answers',
        answers.map(({ status }) => status),
        ['ok', 'ok', 'ok'],
      )
    },
  },
]
