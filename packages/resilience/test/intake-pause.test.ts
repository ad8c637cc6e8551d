import { defineEvent } from '@buslane/core'
import { describe, expect, it } from 'vitest'
import { IntakePaused, IntakeResumed, NonRetryableError, resilience } from '../src/index.ts'
import { storedBus } from './support/stored-bus.ts'

const Paid = defineEvent<number>('order.paid', { durable: true })
const Other = defineEvent<number>('other', { durable: true })
const intakePause = { failureRate: 0.5, minimumCalls: 4, windowMs: 60_000, pauseForMs: 5000 }

describe('intakePause', () => {
  it('R-REG-2 stops the claiming of a type that fails, instead of filling the dead letters, and resumes it', async () => {
    const { bus, guard, clock, persistence } = await storedBus({
      intakePause,
      retry: { maxRetries: 1, jitter: 'none' },
    })
    let works = false
    let runs = 0
    const handled: number[] = []
    const others: number[] = []
    const told: string[] = []
    for (const Event of [IntakePaused, IntakeResumed]) bus.on(Event, ({ type }) => void told.push(type))
    bus.on(
      Paid,
      async ({ payload }) => {
        runs++
        if (!works) throw new Error('the bank is down')
        handled.push(payload)
      },
      { name: 'ship' },
    )
    bus.on(Other, ({ payload }) => void others.push(payload), { name: 'other' })
    for (let n = 0; n < 20; n++) await bus.publish(Paid(n))
    await clock.advance(4000)
    const runsBefore = runs
    expect(bus.health().warnings).toMatchObject([{ code: 'INTAKE_PAUSED' }])
    expect((await guard.deadLetters.count()).total).toBeLessThanOrEqual(2)
    await bus.publish(Other(1))
    await clock.advance(100)
    expect(others).toEqual([1])
    // It stays away for so long that one of many would have been tried often without it.
    await clock.advance(60_000)
    expect(runs - runsBefore).toBeLessThan(20)
    expect((await guard.deadLetters.count()).total).toBeLessThanOrEqual(2)
    works = true
    await clock.advance(60_000)
    expect(handled.length + (await guard.deadLetters.count()).total).toBe(20)
    expect(bus.health().warnings).toEqual([])
    expect(told[0]).toBe('buslane.intake.paused')
    expect(told.at(-1)).toBe('buslane.intake.resumed')
    expect(await persistence.inspect.counts()).toMatchObject({ ready: 0, scheduled: 0, running: 0 })
  })

  it('attempts that fail while it is paused are not used up', async () => {
    const { bus, guard, clock } = await storedBus({
      intakePause: { ...intakePause, minimumCalls: 1 },
      retry: { maxRetries: 2 },
    })
    const attempts: number[] = []
    bus.on(
      Paid,
      async (_event, { attempt }) => {
        attempts.push(attempt)
        if (attempts.length <= 10) throw new Error('the bank is down')
      },
      { name: 'ship' },
    )
    await bus.publish(Paid(1))
    await clock.advance(120_000)
    expect(attempts).toHaveLength(11)
    expect(Math.max(...attempts)).toBe(1)
    expect(await guard.deadLetters.count()).toMatchObject({ total: 0 })
  })

  it('nothing of the type is claimed while it is paused', async () => {
    const { bus, clock, persistence } = await storedBus({ intakePause: { ...intakePause, pauseForMs: 60_000 } })
    bus.on(Paid, () => Promise.reject(new Error('the bank is down')), { name: 'ship' })
    for (let n = 0; n < 20; n++) await bus.publish(Paid(n))
    await clock.advance(10_000)
    const claimed = bus.stats().stored?.claimed
    await bus.publish(Paid(20))
    await clock.advance(40_000)
    expect(bus.health().warnings).toMatchObject([{ code: 'INTAKE_PAUSED' }])
    expect(bus.stats().stored?.claimed).toBe(claimed)
    expect(await persistence.inspect.counts()).toMatchObject({ ready: 20, running: 0 })
  })

  it('attempts are not used up either while somebody waits for the event here', async () => {
    const { bus, clock } = await storedBus({
      intakePause: { ...intakePause, minimumCalls: 1 },
      retry: { maxRetries: 1 },
    })
    const attempts: number[] = []
    bus.on(
      Paid,
      async (_event, { attempt }) => {
        attempts.push(attempt)
        if (attempts.length <= 5) throw new Error('the bank is down')
      },
      { name: 'ship' },
    )
    const outcome = bus.publishAndWait(Paid(1))
    await clock.advance(120_000)
    await expect(outcome).resolves.toMatchObject({ failed: 0, handlers: [{ attempts: 1 }] })
    expect(attempts).toEqual([1, 1, 1, 1, 1, 1])
  })

  it('what fails while it is paused is not held against the event later', async () => {
    const { bus, guard, clock } = await storedBus({ intakePause: { ...intakePause, minimumCalls: 1 } })
    const errors = [new Error('down'), new Error('down'), new NonRetryableError('final')]
    bus.on(Paid, () => Promise.reject(errors.shift() ?? new Error('too often')), { name: 'ship' })
    await bus.publish(Paid(1))
    await clock.advance(60_000)
    const { entries } = await guard.deadLetters.list()
    expect(entries[0]?.attempts.map(({ error }) => error.message)).toEqual(['final'])
  })

  it('what is not retryable goes to the dead letters also then', async () => {
    const { bus, guard, clock } = await storedBus({ intakePause: { ...intakePause, minimumCalls: 1 } })
    bus.on(Paid, () => Promise.reject(new NonRetryableError('no')), { name: 'ship' })
    await bus.publish(Paid(1))
    await clock.advance(1000)
    expect((await guard.deadLetters.count()).byReason).toEqual({ 'not-retryable': 1 })
  })

  it.each([
    [{ failureRate: 0 }, 'intakePause.failureRate'],
    [{ failureRate: 0.5, windowMs: 0 }, 'intakePause.windowMs'],
    [{ failureRate: 0.5, pauseForMs: 0 }, 'intakePause.pauseForMs'],
    [{ failureRate: 0.5, probes: 0 }, 'intakePause.probes'],
  ])('refuses %o by its name', (options, name) => {
    expect(() => resilience({ intakePause: options })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(name) }),
    )
  })
})
