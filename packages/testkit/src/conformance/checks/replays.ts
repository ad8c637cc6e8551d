import type { Check } from '../check.ts'
import { die, dieAgain, keyOfLetter, letter } from '../dying.ts'
import { expectEqual, present } from '../expect.ts'
import { event, events, failure, HANDLED, ORDER_PLACED } from '../sketches.ts'
import { idsOf, inBatches } from '../subject.ts'

const RETENTION_MS = 3_600_000
const NEEDS = ['dead-letters'] as const
const REASONS = ['failed', 'interrupted', 'attempts-exhausted-without-report', 'no-handler', 'expired', 'of-ones-own']

/** The way back from the dead letters. */
export const replayChecks: readonly Check[] = [
  {
    id: 'C-47',
    title: 'puts a letter of any reason back, and it runs',
    rules: ['R-DUR-14'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(
        ...REASONS.map((reason) => event(reason, { expiresInMs: reason === 'expired' ? 1 : undefined })),
      )
      await store.passTime(10)
      for (const { lease, message } of (await store.claim(worker)).events)
        await store.settle({ kind: 'dead', lease, reason: message.id, progress: {} })
      const letters = await store.letters()
      expectEqual(
        'the reasons',
        letters.map(({ reason }) => reason),
        REASONS,
      )
      for (const { key } of letters) expectEqual('the answer', await store.deadLetters.replay(key), 'replayed')
      const claimed = (await store.claim(worker)).events
      expectEqual('what is claimed', idsOf(claimed).toSorted(), REASONS.toSorted())
      expectEqual('how many letters are left', (await store.letters()).length, 0)
      await store.complete(...claimed.map(({ lease }) => lease))
    },
  },
  {
    id: 'C-47b',
    title: 'puts a command into the event store that was never there',
    rules: ['R-DUR-16'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const given = letter('command', { kind: 'command', type: 'order.place' })
      const key = await store.deadLetters.add(given)
      expectEqual('the answer', await store.deadLetters.replay(key), 'replayed')
      const types = [{ type: 'order.place', version: 1, handlers: ['ship'] }]
      const { message, replays } = await store.claimOne(await store.join(), { types })
      expectEqual('what is claimed', { message, replays }, { message: given.message, replays: 1 })
    },
  },
  {
    id: 'C-47c',
    title: 'keeps to the handlers that a letter names, when it is replayed',
    rules: ['R-DUR-13'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      await store.deadLetters.replay(await store.deadLetters.add({ ...letter('a'), handlers: ['ship'] }))
      const { handlers } = await store.claimOne(await store.join())
      expectEqual('the handlers of what is claimed', handlers, ['ship'])
    },
  },
  {
    id: 'C-48',
    title: 'has one live copy of a message after a replay: in the event store, with its id',
    rules: ['R-DUR-14'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const given = event('a', { sessionId: 'chat', priority: 10, lane: 'x', onCrash: 'fail', idempotencyKey: 'k' })
      const [key = ''] = await die(store, given)
      expectEqual('the answer', await store.deadLetters.replay(key), 'replayed')
      expectEqual('what is found by its key', await store.deadLetters.get(key), undefined)
      expectEqual('the counts', await store.deadLetters.count(), {})
      const { message, priority, lane, onCrash, idempotencyKey, expired } = await store.claimOne(await store.join())
      expectEqual(
        'what is claimed',
        { message, priority, lane, onCrash, idempotencyKey, expired },
        {
          message: given.message,
          priority: 10,
          lane: 'x',
          onCrash: 'fail',
          idempotencyKey: 'k',
          expired: false,
        },
      )
      expectEqual('the answer to another replay', await store.deadLetters.replay(key), 'gone')
    },
  },
  {
    id: 'C-48b',
    title: 'has one live copy of a message when the process ends right after a replay',
    rules: ['R-DUR-14'],
    needs: ['dead-letters', 'restart'],
    async run({ open }) {
      const store = await open()
      const [first = '', second = ''] = await die(store, event('a'), event('b'))
      await store.deadLetters.replay(first)
      const next = await store.restart()
      expectEqual(
        'the letters',
        (await next.letters()).map(({ key }) => key),
        [second],
      )
      expectEqual('what is claimed', await next.claimIds(await next.join()), ['a'])
    },
  },
  {
    id: 'C-48c',
    title: 'takes the key of an event for used while it is a letter, and after it was replayed and handled',
    rules: ['R-DUR-8'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open({ idempotencyRetentionMs: RETENTION_MS })
      const again = async (): Promise<unknown> =>
        (await store.events.append([event('again', { idempotencyKey: 'k' })], undefined))[0]
      const duplicate = { status: 'duplicate', id: 'a' }
      const [key = ''] = await die(store, event('a', { idempotencyKey: 'k' }))
      expectEqual('the answer while it is a letter', await again(), duplicate)
      await store.deadLetters.replay(key)
      await store.passTime(2 * RETENTION_MS)
      await store.events.sweep()
      expectEqual('the answer while it waits', await again(), duplicate)
      const { lease } = await store.claimOne(await store.join())
      await store.complete(lease)
      expectEqual('the answer when it is handled', await again(), duplicate)
    },
  },
  {
    id: 'C-48e',
    title: 'frees the key of a discarded letter after the retention time',
    rules: ['R-DUR-8'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open({ idempotencyRetentionMs: RETENTION_MS })
      const [key = ''] = await die(store, event('a', { idempotencyKey: 'k' }))
      await store.passTime(2 * RETENTION_MS)
      await store.events.sweep()
      const again = async (): Promise<string | undefined> =>
        (await store.events.append([event('again', { idempotencyKey: 'k' })], undefined))[0]?.status
      expectEqual('the answer while it is a letter', await again(), 'duplicate')
      expectEqual('how many were discarded', await store.deadLetters.discard([key]), 1)
      await store.passTime(RETENTION_MS + 1)
      await store.events.sweep()
      expectEqual('the answer after the retention time', await again(), 'stored')
    },
  },
  {
    id: 'C-49',
    title: 'replays a letter once, however many try at once',
    rules: ['R-DUR-14'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const instances = await store.instances(4)
      const worker = await store.join()
      for (let round = 0; round < 10; round += 1) {
        const [key = ''] = await die(store, event(`r${round}`, { lane: round % 2 === 0 ? 'x' : undefined }))
        const answers = await Promise.all(
          Array.from({ length: 12 }, (_, index) => (instances[index % 4] ?? store).deadLetters.replay(key)),
        )
        expectEqual('how often it was replayed', answers.filter((answer) => answer === 'replayed').length, 1)
        const { lease, message } = await store.claimOne(worker)
        expectEqual('what is claimed', message.id, `r${round}`)
        await store.complete(lease)
      }
    },
  },
  {
    id: 'C-49b',
    title: 'lets a replay or a discard win, exactly one of them',
    rules: ['R-DUR-14'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const [here = store, there = store] = await store.instances(2)
      const worker = await store.join()
      for (let round = 0; round < 20; round += 1) {
        const key = await store.deadLetters.add(letter(`r${round}`))
        const [answer, discarded] = await Promise.all([here.deadLetters.replay(key), there.deadLetters.discard([key])])
        const claimed = (await store.claim(worker)).events
        const copies = answer === 'replayed' ? 1 : 0
        expectEqual('what was discarded and claimed', [discarded, claimed.length], [1 - copies, copies])
        await store.complete(...claimed.map(({ lease }) => lease))
      }
    },
  },
  {
    id: 'C-50',
    title: 'keeps what is done and every error, and gives the other handlers new attempts',
    rules: ['R-DUR-6', 'R-DUR-14'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('a'))
      const { lease } = await store.claimOne(worker, { start: 1 })
      const done = { status: 'done', attempts: 1 } as const
      const bill = { status: 'failed', attempts: 3, errors: [failure('no'), failure('no!')] } as const
      await store.settle({ kind: 'dead', lease, reason: 'failed', progress: { ship: done, bill } })
      await store.deadLetters.replay(await keyOfLetter(store, 'a'))
      const { progress, replays, unreported, interruptions, handlers } = await store.claimOne(worker)
      expectEqual('what is done', progress['ship'], done)
      const other = present('the progress of the other handler', progress['bill'])
      expectEqual('the other handler', [other.attempts, other.errors], [0, bill.errors])
      expectEqual('whether it will run', other.status === 'done' || other.status === 'failed', false)
      expectEqual(
        'the counts',
        { replays, unreported, interruptions, handlers },
        { replays: 1, unreported: 0, interruptions: 0, handlers: ['ship'] },
      )
    },
  },
  {
    id: 'C-50b',
    title: 'has one letter of an event that fails again, with its history',
    rules: ['R-DUR-14'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      await die(store, event('a'))
      for (let round = 1; round <= 3; round += 1) {
        await store.passTime(60_000)
        await store.deadLetters.replay(await keyOfLetter(store, 'a'))
        await dieAgain(store, 'a', await store.join())
        const [kept, ...others] = await store.letters()
        expectEqual('how many other letters there are', others.length, 0)
        expectEqual('how often it was replayed', kept?.replays, round)
        expectEqual('how many errors it has', kept?.progress['ship']?.errors?.length, round + 1)
        const sinceFirstMs = (kept?.deadAt ?? Number.NaN) - (kept?.firstFailedAt ?? Number.NaN) - round * 60_000
        expectEqual('whether it knows when it first failed', sinceFirstMs >= 0 && sinceFirstMs <= store.slackMs, true)
      }
    },
  },
  {
    id: 'C-51',
    title: 'replays hundreds at once and answers for each, those that are gone among them',
    rules: ['R-DUR-14'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const keys: string[] = []
      for (const one of events(300, 'l', (index) => ({ sessionId: `s${index % 3}` })))
        keys.push(await store.deadLetters.add(letter(one.message.id)))
      await store.deadLetters.discard(keys.slice(7, 8))
      const answers: string[] = []
      for (const batch of inBatches(keys, 50))
        answers.push(...(await Promise.all(batch.map((key) => store.deadLetters.replay(key)))))
      expectEqual(
        'the answers',
        answers,
        keys.map((_, index) => (index === 7 ? 'gone' : 'replayed')),
      )
      const claimed = idsOf(await store.claimAll(await store.join(), { limit: 50 }))
      expectEqual(
        'what is claimed',
        claimed.toSorted(),
        events(300, 'l')
          .map(({ message }) => message.id)
          .toSpliced(7, 1),
      )
    },
  },
  {
    id: 'C-52',
    title: 'runs what was edited for a replay, and keeps the original and who edited it',
    rules: ['R-DUR-14'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const [key = ''] = await die(store, event('a', { payload: '{"n":1}' }))
      expectEqual('the answer', await store.deadLetters.replay(key, { payload: '{"n":2}', by: 'ada' }), 'replayed')
      const worker = await store.join()
      const { lease, message } = await store.claimOne(worker)
      expectEqual('what is handled', message.payload, '{"n":2}')
      await store.settle({ kind: 'dead', lease, reason: 'failed', progress: {} })
      const [kept] = await store.letters()
      expectEqual('the letter', [kept?.message.payload, kept?.edited], ['{"n":2}', { payload: '{"n":1}', by: 'ada' }])
    },
  },
  {
    id: 'C-48d',
    title: 'puts a replayed event behind what holds its lane',
    rules: ['R-LANE-3'],
    needs: NEEDS,
    async run({ open }) {
      const store = await open()
      const [key = ''] = await die(store, event('a', { lane: 'x' }))
      const [holder, other] = [await store.join(), await store.join()]
      await store.append(event('b', { lane: 'x' }))
      const { lease } = await store.claimOne(holder)
      await store.deadLetters.replay(key)
      const types = [...HANDLED, { type: ORDER_PLACED, version: 2, handlers: ['ship'] }]
      expectEqual('what another worker claims while it is held', await store.claimIds(other, { types }), [])
      await store.complete(lease)
      expectEqual('what it claims then', await store.claimIds(other, { types }), ['a'])
    },
  },
]
