import type { Check } from '../check.ts'
import { expectEqual } from '../expect.ts'
import { event } from '../sketches.ts'

const HOUR_MS = 3_600_000

/** Whose clock decides. */
export const clockChecks: readonly Check[] = [
  {
    id: 'C-29',
    title: "decides by the store's clock, however wrong the process's is",
    rules: ['R-DUR-4'],
    needs: ['own-clock'],
    async run({ open }) {
      const store = await open()
      const [worker, other] = [await store.join(), await store.join()]
      try {
        const skewed: number[] = []
        await store.append(event('held'))
        const { lease } = await store.claimOne(worker)
        for (const hours of [2, -2, 1]) {
          store.skewProcessClock(hours * HOUR_MS)
          const { acceptedAt, dueAt } = await store.appendOne(event(`at-${hours}`, { due: { delayMs: HOUR_MS } }))
          skewed.push(dueAt - acceptedAt)
          await store.ready()
          expectEqual('how many a sweep rescues', (await store.events.sweep()).rescued, 0)
          expectEqual('what is claimed', await store.claimIds(other), [])
        }
        expectEqual('the delays', skewed, [HOUR_MS, HOUR_MS, HOUR_MS])
        await store.complete(lease)
        await store.passTime(HOUR_MS)
        await store.ready()
        expectEqual('what is claimed when it is due', await store.claimIds(await store.join()), [
          'at-2',
          'at--2',
          'at-1',
        ])
      } finally {
        store.skewProcessClock(0)
      }
    },
  },
  {
    id: 'C-29b',
    title: "gives times of the store's clock",
    rules: ['R-DUR-4'],
    needs: ['own-clock'],
    async run({ open }) {
      const store = await open()
      const before = (await store.events.join({ name: 'checks' })).now
      try {
        store.skewProcessClock(-2 * HOUR_MS)
        const { acceptedAt } = await store.appendOne(event('a'))
        const { now } = await store.claim(await store.join())
        const apart = [acceptedAt - before, now - before].map((ms) => ms >= 0 && ms <= store.slackMs)
        expectEqual('whether acceptance and claim are seconds after the join', apart, [true, true])
      } finally {
        store.skewProcessClock(0)
      }
    },
  },
  {
    id: 'C-30',
    title: 'agrees on what is due and who is alive between connections of different time zones',
    rules: ['R-DUR-4'],
    needs: ['connections', 'time-zones'],
    async run({ open }) {
      const store = await open()
      const east = await store.connect({ timeZone: 'Pacific/Kiritimati' })
      const west = await store.connect({ timeZone: 'Pacific/Pago_Pago' })
      const at = Date.UTC(2031, 6, 1, 12, 0, 0, 7)
      const scheduled = [
        await east.appendOne(event('east', { due: { at } })),
        await west.appendOne(event('west', { due: { at } })),
      ]
      expectEqual(
        'the due times',
        scheduled.map(({ dueAt }) => dueAt),
        [at, at],
      )
      await east.append(event('delayed', { due: { delayMs: HOUR_MS } }), event('held'))
      const { acceptedAt } = await east.claimOne(await east.join())
      expectEqual('how many a sweep rescues', (await west.events.sweep()).rescued, 0)
      expectEqual('what is ready in the west', (await west.ready()).readied, 0)
      expectEqual('what is claimed in the west', await west.claimIds(await west.join()), [])
      const { now } = await west.claim(await west.join())
      expectEqual('whether they tell the same time', now - acceptedAt >= 0 && now - acceptedAt <= store.slackMs, true)
    },
  },
  {
    id: 'C-32',
    title: 'reads times back as they were written: to the millisecond',
    rules: ['R-DUR-4'],
    needs: ['inspect'],
    async run({ open }) {
      const store = await open()
      const { key, acceptedAt, dueAt, orderKey } = await store.appendOne(event('a', { orderOffsetMs: -7 }))
      expectEqual('the due time', dueAt, acceptedAt)
      expectEqual('the order key', orderKey, acceptedAt - 7)
      const shown = await store.inspect.get(key)
      expectEqual('what is shown', [shown?.acceptedAt, shown?.dueAt], [acceptedAt, dueAt])
      const claimed = await store.claimOne(await store.join())
      expectEqual('what is claimed', [claimed.acceptedAt, claimed.orderKey], [acceptedAt, orderKey])
      expectEqual('whether these are whole milliseconds', Number.isInteger(acceptedAt), true)
    },
  },
]
