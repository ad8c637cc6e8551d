import { defineEvent } from '@buslane/core'
import { expect, it } from 'vitest'
import { busesOnOneSchema } from './support/running-bus.ts'
import { until } from './support/until.ts'

const Job = defineEvent<{ n: number }>('shutdown.job', { durable: true })
const Next = defineEvent<{ n: number }>('shutdown.next', { durable: true })

it('C-73 C-74 C-75 aborts at the deadline, not before, hands the event back and uses up no attempt', async () => {
  const { make } = await busesOnOneSchema()
  const { bus, persistence } = make()
  const begun = Promise.withResolvers<AbortSignal>()
  bus.on(
    Job,
    async (_, { signal }) => {
      begun.resolve(signal)
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      signal.throwIfAborted()
    },
    { name: 'waits' },
  )
  await bus.start()
  await bus.publish(Job({ n: 1 }))
  const signal = await begun.promise
  let abortedAt = 0
  signal.addEventListener('abort', () => (abortedAt = performance.now()))
  const stoppedAt = performance.now()
  const stopping = bus.stop({ timeoutMs: 400 })
  expect(await bus.publish(Job({ n: 2 })).catch((error: unknown) => error)).toMatchObject({ code: 'BUS_STOPPED' })
  expect(await stopping).toMatchObject({ aborted: 1, released: 1 })
  expect(abortedAt - stoppedAt).toBeGreaterThanOrEqual(399)
  const { entries } = await persistence.inspect.list()
  expect(entries).toMatchObject([{ state: 'ready', unreported: 0, interruptions: 0, message: { payload: '{"n":1}' } }])
  const attempts: number[] = []
  const next = make()
  next.bus.on(Job, (_, { attempt }) => void attempts.push(attempt), { name: 'waits' })
  await next.bus.start()
  await until(() => attempts.length > 0)
  expect(attempts).toEqual([1])
})

it('C-76 C-78 stores what a handler publishes while the bus stops, and that the handler is done', async () => {
  const { make } = await busesOnOneSchema()
  const { bus, persistence } = make()
  const begun = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  bus.on(Next, () => {}, { name: 'next' })
  bus.on(
    Job,
    async (_, context) => {
      begun.resolve()
      await goOn.promise
      await context.schedule(Next({ n: 2 }), { delayMs: 3_600_000 })
    },
    { name: 'publishes' },
  )
  await bus.start()
  await bus.publish(Job({ n: 1 }))
  await begun.promise
  const stopping = bus.stop()
  goOn.resolve()
  expect(await stopping).toMatchObject({ aborted: 0, released: 0, left: [] })
  const { entries } = await persistence.inspect.list()
  expect(entries).toMatchObject([{ state: 'scheduled', message: { type: Next.type } }])
})

it('C-77 leaves no connection behind after 30 starts and stops', async () => {
  const { make, connections } = await busesOnOneSchema()
  const { bus } = make()
  bus.on(Job, () => {}, { name: 'handles' })
  for (let round = 0; round < 30; round++) {
    await bus.start()
    await bus.publish(Job({ n: round }))
    await bus.stop()
  }
  await until(async () => (await connections()) === 0)
  expect(bus.state).toBe('stopped')
})

it('C-72 keeps no transaction open while a handler runs', async () => {
  const { make, connections } = await busesOnOneSchema()
  const { bus } = make()
  const begun = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  bus.on(
    Job,
    () => {
      begun.resolve()
      return goOn.promise
    },
    { name: 'waits' },
  )
  await bus.start()
  await bus.publish(Job({ n: 1 }))
  await begun.promise
  expect(await connections(`state like 'idle in transaction%'`)).toBe(0)
  goOn.resolve()
  await bus.idle()
})

it('C-68 finds by polling what others stored, and what they cancelled does not run', async () => {
  const { make } = await busesOnOneSchema()
  const here = make({ notify: false, pollMs: 50 })
  const elsewhere = make({ notify: false })
  const seen: number[] = []
  here.bus.on(Job, ({ payload }) => void seen.push(payload.n), { name: 'handles' })
  await here.bus.start()
  await elsewhere.bus.start()
  const cancelled = await elsewhere.bus.schedule(Job({ n: 1 }), { delayMs: 1000 })
  const later = await elsewhere.bus.schedule(Job({ n: 2 }), { delayMs: 1000 })
  expect([cancelled.durability, later.durability]).toEqual(['stored', 'stored'])
  expect(await cancelled.cancel()).toBe('cancelled')
  await until(() => seen.length > 0)
  await here.bus.idle()
  expect(seen).toEqual([2])
})
