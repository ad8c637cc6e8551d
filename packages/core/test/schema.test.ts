import { describe, expect, it } from 'vitest'
import { createBus, defineEvent, InvalidPayloadError, isBusError, type StandardSchema, type } from '../src/index.ts'
import { deferred } from './support/deferred.ts'
import { anything, digits, later } from './support/schemas.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Amount = defineEvent('amount', { schema: digits })

describe('a synchronous schema', () => {
  it('the message keeps the input, handlers get the output', async () => {
    const bus = createBus()
    const seen: unknown[] = []
    bus.on(Amount, ({ payload }) => void seen.push(payload))
    bus.observe({ eventStarted: ({ payload }) => void seen.push(payload) })
    await bus.start()
    const event = Amount('42')
    await bus.publishAndWait(event)
    expect(event.payload).toBe('42')
    expect(seen).toEqual([42, 42])
  })

  it('R-PUB-1 accepts before the call returns', () => {
    const bus = createBus()
    void bus.publish(Amount('1'))
    expect(bus.stats().waiting).toBe(1)
  })

  it('refuses what does not fit with INVALID_PAYLOAD, the issues, and where they are', async () => {
    const bus = createBus()
    for (const refused of [
      bus.publish(Amount('x')),
      bus.publishAndWait(Amount('x')),
      bus.schedule(Amount('x'), { delayMs: 1 }),
    ]) {
      const error: unknown = await refused.catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(InvalidPayloadError)
      expect(isBusError(error, 'INVALID_PAYLOAD')).toBe(true)
      expect(error).toMatchObject({
        issues: [{ message: 'not digits', path: ['amount', { key: 'cents' }] }],
        message: "The payload of 'amount' does not fit its schema: amount.cents: not digits",
      })
    }
    expect(bus.stats()).toMatchObject({ offered: 3, rejected: 3, scheduled: 0 })
  })

  it('that throws refuses the event, with what it threw as the cause', async () => {
    const cause = new Error('schema bug')
    const schema: StandardSchema<string> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => {
          throw cause
        },
      },
    }
    const bus = createBus()
    await expect(bus.publish(defineEvent('odd', { schema })('x'))).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
      cause,
    })
  })

  it('filters and publish middleware see the parsed payload', async () => {
    const bus = createBus()
    const seen: unknown[] = []
    bus.filter(({ payload }) => seen.push(payload) > 0)
    bus.use({ publish: ({ payload }, next) => (seen.push(payload), next()) })
    await bus.publish(Amount('7'))
    expect(seen).toEqual([7, 7])
  })

  it('type() takes anything', async () => {
    const bus = createBus()
    const Loose = defineEvent('loose', { schema: type<{ a: number }>() })
    await expect(bus.publish(Loose('no object' as never))).resolves.toMatchObject({ status: 'accepted' })
  })
})

describe('an asynchronous schema', () => {
  it('holds acceptance up until it answers, and idle with it', async () => {
    const answer = deferred()
    const Slow = defineEvent('slow', { schema: later(digits, answer.promise) })
    const bus = createBus()
    const seen: unknown[] = []
    bus.on(Slow, ({ payload }) => void seen.push(payload))
    await bus.start()
    const publish = bus.publish(Slow('5'))
    let idle = false
    const waiting = bus.idle().then(() => (idle = true))
    await settle()
    expect(bus.stats()).toMatchObject({ offered: 0, waiting: 0 })
    expect(idle).toBe(false)
    answer.resolve()
    await expect(publish).resolves.toMatchObject({ status: 'accepted' })
    await waiting
    expect(seen).toEqual([5])
  })

  it('refuses what does not fit, and counts it once', async () => {
    const Slow = defineEvent('slow', { schema: later(digits) })
    const bus = createBus()
    await expect(bus.publish(Slow('x'))).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' })
    await expect(bus.publishAndWait(Slow('x'))).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' })
    await expect(bus.schedule(Slow('x'), { delayMs: 1 })).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' })
    expect(bus.stats()).toMatchObject({ offered: 3, rejected: 3 })
  })

  it('that rejects refuses the event with a typed error', async () => {
    const cause = new Error('database away')
    const schema = later(anything<string>(), Promise.reject(cause))
    const bus = createBus()
    await expect(bus.publish(defineEvent('odd', { schema })('x'))).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
      cause,
    })
  })

  it('R-ERR-5 a refusal that nobody awaits is counted, not an unhandled rejection', async () => {
    const Slow = defineEvent('slow', { schema: later(digits) })
    const bus = createBus({ logger: recordingLogger() })
    void bus.publish(Slow('x'))
    await settle()
    expect(bus.stats().unheardRefusals).toBe(1)
  })

  it('publishAndWait gives up by its signal while the schema answers', async () => {
    const answer = deferred()
    const Slow = defineEvent('slow', { schema: later(digits, answer.promise) })
    const bus = createBus()
    let ran = 0
    bus.on(Slow, () => void ran++)
    await bus.start()
    const controller = new AbortController()
    const outcome = bus.publishAndWait(Slow('1'), { signal: controller.signal }).then(
      ({ handlers }) => handlers.map(({ status }) => status),
      ({ code }: { code: string }) => code,
    )
    controller.abort()
    answer.resolve()
    await settle()
    expect(ran).toBe(0)
    expect(['ABORTED', ['aborted']]).toContainEqual(await outcome)
  })

  it('the delay of a schedule counts from its acceptance', async () => {
    const clock = new VirtualClock()
    const answer = deferred()
    const Slow = defineEvent('slow', { schema: later(digits, answer.promise) })
    const bus = createBus({ clock })
    const scheduled = bus.schedule(Slow('1'), { delayMs: 100 })
    await clock.advance(50)
    answer.resolve()
    await expect(scheduled).resolves.toMatchObject({ dueAt: clock.now() + 100 })
    await bus.stop()
  })
})
