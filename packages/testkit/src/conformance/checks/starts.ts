import type { Check } from '../check.ts'
import { expectEqual } from '../expect.ts'
import { event, events, HANDLED, ORDER_PLACED, trying } from '../sketches.ts'
import { idsOf } from '../subject.ts'

const LAST_UNREPORTED_START = 10

/** What is counted of starts, so that an event that kills every process ends somewhere. */
export const startChecks: readonly Check[] = [
  {
    id: 'C-11',
    title: 'counts a start in the claim that makes it, and not what was claimed ahead',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(...events(3, 'e'))
      const first = (await store.claim(await store.join(), { start: 1 })).events
      expectEqual(
        'which are started',
        first.map(({ started }) => started),
        [true, false, false],
      )
      expectEqual(
        'the starts before this claim',
        first.map(({ unreported }) => unreported),
        [0, 0, 0],
      )
      await store.killWorkers()
      const second = (await store.claim(await store.join())).events
      expectEqual('what is claimed again', idsOf(second), ['e-0000', 'e-0001', 'e-0002'])
      expectEqual(
        'the unreported starts',
        second.map(({ unreported }) => unreported),
        [1, 0, 0],
      )
      expectEqual(
        'the interruptions',
        second.map(({ interruptions }) => interruptions),
        [1, 0, 0],
      )
      expectEqual(
        'which are started',
        second.map(({ started }) => started),
        [false, false, false],
      )
    },
  },
  {
    id: 'C-11b',
    title: 'counts a start that is reported like one that is claimed',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('a'), event('b'))
      const [first] = (await store.claim(await store.join())).events
      await store.settle({ kind: 'start', lease: first?.lease ?? { key: '', token: '' }, handlers: ['ship', 'bill'] })
      await store.killWorkers()
      const again = (await store.claim(await store.join())).events
      expectEqual(
        'what is known of them',
        again.map(({ message, unreported, interruptions, handlers }) => [
          message.id,
          unreported,
          interruptions,
          handlers,
        ]),
        [
          ['a', 1, 1, ['ship', 'bill']],
          ['b', 0, 0, undefined],
        ],
      )
    },
  },
  {
    id: 'C-11c',
    title: 'keeps the count of a start whose process ended without a word',
    rules: ['R-DUR-3'],
    needs: ['restart'],
    async run({ open }) {
      const store = await open()
      await store.append(event('a'))
      await store.claimOne(await store.join(), { start: 1 })
      const next = await store.restart()
      await next.killWorkers()
      const { unreported, interruptions } = await next.claimOne(await next.join())
      expectEqual('what was counted', { unreported, interruptions }, { unreported: 1, interruptions: 1 })
    },
  },
  {
    id: 'C-11d',
    title: 'starts what was asked for: the first ones, of types with handlers, first of their lane',
    rules: ['R-DUR-3', 'R-DUR-13'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(
        event('held', { type: 'order.held' }),
        event('lane-1', { lane: 'l' }),
        event('lane-2', { lane: 'l' }),
        event('free-1'),
        event('free-2'),
      )
      const types = [...HANDLED, { type: 'order.held', version: 1, handlers: undefined }]
      const claimed = (await store.claim(await store.join(), { types, start: 2 })).events
      expectEqual(
        'which are started',
        claimed.map(({ message, started }) => [message.id, started]),
        [
          ['held', false],
          ['lane-1', true],
          ['lane-2', false],
          ['free-1', true],
          ['free-2', false],
        ],
      )
    },
  },
  {
    id: 'C-11f',
    title: 'records as many of a named lane as started as the worker asks for, those it holds included',
    rules: ['R-DUR-3', 'R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('l-1', { lane: 'l' }))
      await store.claim(worker, { start: 9, laneStart: 3 })
      await store.append(...['l-2', 'l-3', 'l-4'].map((id) => event(id, { lane: 'l' })))
      const claimed = (await store.claim(worker, { start: 9, laneStart: 3 })).events
      expectEqual(
        'which are started',
        claimed.map(({ message, started }) => [message.id, started]),
        [
          ['l-2', true],
          ['l-3', true],
          ['l-4', false],
        ],
      )
      const keep = { start: ['ship'], laneStart: 2 }
      const kept = await store.appendBy(worker, ...['k-1', 'k-2', 'k-3'].map((id) => event(id, { lane: 'k', keep })))
      expectEqual(
        'which are started where they are appended',
        kept.map(({ lease, started }) => [lease !== undefined, started]),
        [
          [true, true],
          [true, true],
          [true, false],
        ],
      )
    },
  },
  {
    id: 'C-11e',
    title: 'records the names of the handlers at the first start, and keeps those',
    rules: ['R-DUR-13'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('a'))
      const before = await store.claimOne(await store.join(), { start: 1 })
      expectEqual('the names before', before.handlers ?? ['ship'], ['ship'])
      await store.killWorkers()
      const types = [{ type: ORDER_PLACED, version: 1, handlers: ['renamed'] }]
      const { handlers } = await store.claimOne(await store.join(), { types, start: 1 })
      expectEqual('the names after a second start by others', handlers, ['ship'])
      await store.killWorkers()
      const third = await store.claimOne(await store.join())
      await store.settle({ kind: 'start', lease: third.lease, handlers: ['renamed'] })
      await store.killWorkers()
      expectEqual('the names after a third', (await store.claimOne(await store.join())).handlers, ['ship'])
    },
  },
  {
    id: 'C-12',
    title: 'gives an event up when ten starts in a row were never heard of again',
    rules: ['R-DUR-3'],
    needs: ['dead-letters'],
    async run({ open }) {
      const store = await open()
      await store.append(event('poison'), event('other'))
      for (let round = 0; round < LAST_UNREPORTED_START; round += 1) {
        const { unreported, started } = await store.claimOne(await store.join(), { start: 1, limit: 1 })
        expectEqual('the starts so far', { unreported, started }, { unreported: round, started: true })
        await store.killWorkers()
      }
      expectEqual('what is claimed then', await store.claimIds(await store.join(), { start: 1 }), ['other'])
      const letters = await store.letters()
      expectEqual(
        'the dead letters',
        letters.map(({ message, reason }) => [message.id, reason]),
        [['poison', 'attempts-exhausted-without-report']],
      )
    },
  },
  {
    id: 'C-12b',
    title: 'forgets unreported starts and interruptions with a report',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('a'))
      for (let round = 0; round < LAST_UNREPORTED_START - 1; round += 1) {
        await store.claimOne(await store.join(), { start: 1 })
        await store.killWorkers()
      }
      const ninth = await store.claimOne(await store.join(), { start: 1 })
      const before = { unreported: ninth.unreported, interruptions: ninth.interruptions }
      expectEqual('what was counted before', before, { unreported: 9, interruptions: 9 })
      await store.settle({ kind: 'progress', lease: ninth.lease, progress: trying(1) })
      await store.killWorkers()
      const { unreported, interruptions, progress } = await store.claimOne(await store.join(), { start: 1 })
      expectEqual('what is counted after', { unreported, interruptions }, { unreported: 0, interruptions: 1 })
      expectEqual('the progress', progress, trying(1))
    },
  },
  {
    id: 'C-12c',
    title: 'counts no start for a release, and forgets nothing else',
    rules: ['R-DUR-12'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('a'))
      await store.claimOne(await store.join(), { start: 1 })
      await store.killWorkers()
      const worker = await store.join()
      const { lease } = await store.claimOne(worker, { start: 1 })
      await store.settle({ kind: 'release', lease })
      const { unreported, interruptions, handlers } = await store.claimOne(worker)
      expectEqual('what is counted', { unreported, interruptions }, { unreported: 0, interruptions: 1 })
      expectEqual('the names of the first start', handlers, ['ship'])
    },
  },
  {
    id: 'C-62c',
    title: 'tells what it gave up by itself, so that people hear of it',
    rules: ['R-DUR-11', 'R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('started', { onCrash: 'fail' }), event('other'))
      await store.claim(await store.join(), { start: 2 })
      const { givenUp = [] } = await store.killWorkers()
      expectEqual(
        'what was given up',
        givenUp.map(({ message: { kind, id, type, sessionId }, reason }) => [kind, id, type, sessionId, reason]),
        [['event', 'started', ORDER_PLACED, 'BUS', 'interrupted']],
      )
      expectEqual('what a second sweep gave up', (await store.events.sweep()).givenUp ?? [], [])
    },
  },
  {
    id: 'C-62',
    title: 'never runs an event again that must not be, once it was started and its worker died',
    rules: ['R-DUR-11'],
    needs: ['dead-letters'],
    async run({ open }) {
      const store = await open()
      await store.append(event('started', { onCrash: 'fail' }), event('ahead', { onCrash: 'fail' }))
      const claimed = (await store.claim(await store.join(), { start: 1 })).events
      expectEqual(
        'what is to happen on a crash',
        claimed.map(({ onCrash }) => onCrash),
        ['fail', 'fail'],
      )
      expectEqual('what the sweep gave back or up', (await store.killWorkers()).rescued, 2)
      expectEqual('what is claimed again', await store.claimIds(await store.join()), ['ahead'])
      const letters = await store.letters()
      expectEqual(
        'the dead letters',
        letters.map(({ message, reason, onCrash }) => [message.id, reason, onCrash]),
        [['started', 'interrupted', 'fail']],
      )
    },
  },
  {
    id: 'C-62b',
    title: 'takes a worker that leaves with started events for one that lost them',
    rules: ['R-DUR-11'],
    needs: ['dead-letters'],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('fail', { onCrash: 'fail' }), event('retry'), event('ahead'))
      await store.claim(worker, { start: 2 })
      await store.events.leave(worker)
      const again = (await store.claim(await store.join())).events
      expectEqual(
        'what is claimed again',
        again.map(({ message, interruptions }) => [message.id, interruptions]),
        [
          ['retry', 1],
          ['ahead', 0],
        ],
      )
      const letters = await store.letters()
      expectEqual(
        'the dead letters',
        letters.map(({ message, reason }) => [message.id, reason]),
        [['fail', 'interrupted']],
      )
    },
  },
]
