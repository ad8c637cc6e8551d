import { defineCommand } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { type Resilience, resilience } from '@buslane/resilience'
import { telemetry } from '@buslane/telemetry'
import { VirtualClock } from '@buslane/testkit'
import { describe, expect, it } from 'vitest'
import { type DeskBus, deskBus } from './support/desk-bus.ts'

const Charge = defineCommand<{ cents: number }, string>('card.charge', {
  approval: { required: true, expiresInMs: 3_600_000 },
})
const charge = () => Charge({ cents: 1 })

const cases = (['memory', 'store'] as const).flatMap((keeps) =>
  (['before', 'after'] as const).map((where) => [where, keeps] as const),
)

type Guarded = DeskBus & { readonly guard: Resilience }

describe.each(cases)('approvals %s resilience, in %s', (where, keeps) => {
  const open = async (): Promise<Guarded> => {
    const guard = resilience({ retry: { maxRetries: 2, initialDelayMs: 100, jitter: 'none' } })
    const at = await deskBus({
      keeps,
      plugins: (desk) => [...(where === 'before' ? [desk, guard] : [guard, desk]), telemetry()],
    })
    return Object.assign(at, { guard })
  }
  const letters = async ({ guard }: Guarded) => (await guard.deadLetters.list()).entries

  const counted = ({ guard }: Guarded) =>
    guard
      .handlerStats()
      .flatMap(({ type, executions, failures }) => (type === Charge.type ? [[executions, failures]] : []))

  it('a yes that is still to come is no failure: not retried, not counted, in no dead letter', async () => {
    await using at = await open()
    at.bus.handle(Charge, () => 'paid', { circuitBreaker: { consecutive: 1 } })
    expect(await at.bus.execute(charge())).toMatchObject({ error: { code: 'APPROVAL_PENDING' }, attempts: 0 })
    await at.clock.advance(60_000)
    expect(counted(at)).toEqual([[0, 0]])
    expect(at.guard.circuits().map(({ state }) => state.is)).toEqual(['closed'])
    expect(await letters(at)).toEqual([])
  })

  it.each([
    ['deny', 'APPROVAL_DENIED'],
    ['cancel', 'APPROVAL_CANCELLED'],
  ] as const)('so is none what %s answers', async (verb, code) => {
    await using at = await open()
    at.bus.handle(Charge, () => 'paid')
    const result = at.bus.execute(charge(), { waitForApproval: true, approvalId: 'a' })
    await at.clock.settle()
    await at.desk[verb]('a', { by: 'ada' })
    expect(await result).toMatchObject({ error: { code } })
    await at.clock.advance(60_000)
    expect(await letters(at)).toEqual([])
    expect(counted(at)).toEqual([[0, 0]])
  })

  it('the timeout of the handler does not run while a person thinks', async () => {
    await using at = await open()
    at.bus.handle(Charge, () => 'paid', { timeoutMs: 1000 })
    const result = at.bus.execute(charge(), { waitForApproval: true, approvalId: 'a' })
    await at.clock.advance(3_500_000)
    await at.desk.approve('a', { by: 'ada' })
    await at.clock.settle()
    expect(await result).toMatchObject({ success: true, value: 'paid' })
  })

  it('an approved command that fails is tried again, and who waits hears of the last try', async () => {
    await using at = await open()
    let runs = 0
    at.bus.handle(Charge, () => (++runs < 3 ? Promise.reject(new Error('busy')) : 'paid'))
    const result = at.bus.execute(charge(), { waitForApproval: true, approvalId: 'a' })
    await at.clock.settle()
    await at.desk.approve('a', { by: 'ada' })
    await at.clock.advance(10_000)
    expect(await result).toMatchObject({ success: true, value: 'paid' })
    expect(await at.desk.get('a')).toMatchObject({ state: { is: 'succeeded' } })
    expect(runs).toBe(3)
  })

  it('one that fails each time is a dead letter, once', async () => {
    await using at = await open()
    let runs = 0
    at.bus.handle(Charge, () => {
      runs++
      throw new Error('broken')
    })
    const result = at.bus.execute(charge(), { waitForApproval: true, approvalId: 'a' })
    await at.clock.settle()
    await at.desk.approve('a', { by: 'ada' })
    await at.clock.advance(10_000)
    expect(await result).toMatchObject({ error: { code: 'HANDLER_FAILED', cause: { message: 'broken' } } })
    expect(await at.desk.get('a')).toMatchObject({ state: { is: 'failed', isFinal: true } })
    expect(await letters(at)).toMatchObject([{ id: 'a', reason: 'attempts-exhausted' }])
    expect(runs).toBe(3)
  })

  it('an attempt that takes too long is tried again, and not taken for interrupted', async () => {
    await using at = await open()
    let runs = 0
    at.bus.handle(Charge, () => (++runs < 2 ? new Promise<string>(() => {}) : 'paid'), { timeoutMs: 1000 })
    const result = at.bus.execute(charge(), { waitForApproval: true, approvalId: 'a' })
    await at.clock.settle()
    await at.desk.approve('a', { by: 'ada' })
    await at.clock.advance(10_000)
    expect(await result).toMatchObject({ success: true, value: 'paid' })
    expect(runs).toBe(2)
  })
})

it('R-DUR-14 a dead letter of an approved command runs again when a person puts it back, and says so in the approval', async () => {
  const guard = resilience({ retry: false })
  await using at = await deskBus({ keeps: 'store', plugins: (desk) => [desk, guard] })
  let isUp = false
  at.bus.handle(Charge, () => (isUp ? 'paid' : Promise.reject(new Error('down'))))
  await at.bus.execute(charge(), { approvalId: 'a' })
  await at.desk.approve('a', { by: 'ada' })
  await at.clock.settle()
  expect(await at.desk.get('a')).toMatchObject({ state: { is: 'failed', isFinal: true, attempt: 1 } })
  isUp = true
  await guard.deadLetters.replay({ type: Charge })
  await at.clock.settle()
  expect(await at.desk.get('a')).toMatchObject({ state: { is: 'succeeded', attempt: 2, value: 'paid' } })
})

it('R-DUR-11 what was interrupted goes to the dead letters as that', async () => {
  const clock = new VirtualClock()
  const persistence = memoryPersistence({ clock, settings: { leaseMs: 1000 } })
  const first = await deskBus({ keeps: persistence, clock, plugins: (desk) => [resilience(), desk] })
  first.bus.handle(Charge, () => new Promise<string>(() => {}))
  await first.bus.execute(charge(), { approvalId: 'a' })
  await first.desk.approve('a', { by: 'ada' })
  await clock.settle()
  const crashed = persistence.snapshot()
  await first[Symbol.asyncDispose]()
  persistence.restore(crashed)
  const guard = resilience()
  await using next = await deskBus({ keeps: persistence, clock, plugins: (desk) => [guard, desk] })
  next.bus.handle(Charge, () => 'paid')
  await clock.advance(10_000)
  expect(await next.desk.get('a')).toMatchObject({ state: { is: 'interrupted' } })
  expect((await guard.deadLetters.list()).entries).toMatchObject([{ id: 'a', reason: 'interrupted' }])
})
