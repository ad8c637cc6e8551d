import { createBus, defineCommand, defineEvent, type EventContext } from '@buslane/core'
import { postgresPersistence } from '@buslane/persistence-postgres'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NonRetryableError, type Resilience, resilience, type ResilienceOptions } from '../src/index.ts'
import { failing, keeping } from './support/guarded-bus.ts'
import { connectionString, dropSchema, freshSchema } from './support/postgres.ts'

const Placed = defineEvent<{ order: string }>('order.placed')
const Paid = defineEvent<{ order: string }>('order.paid', { durable: true })
const Charge = defineCommand<{ cents: number }>('card.charge')
const stolen = new NonRetryableError('stolen')

let schema: string
const opened: (() => Promise<unknown>)[] = []

beforeEach(() => {
  schema = freshSchema()
})

afterEach(async () => {
  for (const close of opened.splice(0)) await close()
  await dropSchema(schema)
})

const open = async (options: ResilienceOptions = {}) => {
  const guard = resilience(options)
  const persistence = postgresPersistence({ connectionString, schema, pollMs: 50, logger: keeping() })
  const bus = createBus({ persistence, logger: keeping(), plugins: [guard] })
  opened.push(() => bus.stop())
  await bus.start()
  return { bus, guard, persistence }
}

const total = async (guard: Resilience): Promise<number> => (await guard.deadLetters.count()).total

describe('on Postgres', () => {
  it('R-DUR-14 a stored event goes to the dead letters with its reason and attempts, and is replayed', async () => {
    const { bus, guard } = await open({ retry: { maxRetries: 1, initialDelayMs: 1 } })
    const flaky = failing(new Error('a'), new Error('b'))
    bus.on(Paid, flaky.handle, { name: 'ship' })
    await bus.publish(Paid({ order: '1' }))
    await expect.poll(() => total(guard)).toBe(1)
    const { entries } = await guard.deadLetters.list({ type: Paid, reason: 'attempts-exhausted' })
    expect(entries).toMatchObject([
      { payload: { order: '1' }, handler: 'ship', handlers: [{ attempts: 2 }], isStored: true },
    ])
    expect(entries[0]?.attempts.map(({ error }) => error.message)).toEqual(['a', 'b'])
    await expect(guard.deadLetters.replay(entries[0]!.key)).resolves.toMatchObject({ status: 'replayed' })
    await expect.poll(() => flaky.runs).toEqual([1, 2, 1])
    expect(await total(guard)).toBe(0)
  })

  it('C-47 an event in memory leaves a letter that a replay gives to the handler that failed, and to no other', async () => {
    const { bus, guard } = await open()
    const flaky = failing(stolen)
    const beside: number[] = []
    bus.on(Placed, flaky.handle, { name: 'ship' })
    bus.on(Placed, () => void beside.push(1), { name: 'count' })
    await bus.publish(Placed({ order: '1' }))
    await expect.poll(() => total(guard)).toBe(1)
    await guard.deadLetters.replay({ type: Placed })
    await expect.poll(() => flaky.runs).toEqual([1, 1])
    expect(beside).toEqual([1])
    await expect.poll(() => total(guard)).toBe(0)
  })

  it('R-DUR-16 a command leaves a letter, which another bus can replay', async () => {
    const first = await open()
    first.bus.handle(Charge, failing(stolen).handle)
    await first.bus.execute(Charge({ cents: 5 }))
    await expect.poll(() => total(first.guard)).toBe(1)
    await first.bus.stop()
    const second = await open()
    const charged: number[] = []
    second.bus.handle(Charge, ({ payload }) => void charged.push(payload.cents))
    await second.guard.deadLetters.replay({ type: Charge })
    await expect.poll(() => charged).toEqual([5])
    await expect.poll(() => total(second.guard)).toBe(0)
  })

  it('C-49 of two buses that replay one letter, one does', async () => {
    const first = await open()
    const second = await open()
    const flaky = failing(stolen)
    first.bus.on(Paid, flaky.handle, { name: 'ship' })
    await first.bus.publish(Paid({ order: '1' }))
    await expect.poll(() => total(first.guard)).toBe(1)
    const { key } = (await first.guard.deadLetters.list()).entries[0]!
    const results = await Promise.all([first.guard.deadLetters.replay(key), second.guard.deadLetters.replay(key)])
    expect(results.map(({ status }) => status).toSorted()).toEqual(['gone', 'replayed'])
    await expect.poll(() => flaky.runs).toEqual([1, 1])
  })

  it('C-52 C-57 edits and redaction are what is kept', async () => {
    const { bus, guard } = await open({ redact: { error: () => new NonRetryableError('redacted') } })
    const seen: string[] = []
    bus.on(
      Paid,
      ({ payload }) => {
        seen.push(payload.order)
        throw new NonRetryableError('secret')
      },
      { name: 'ship' },
    )
    await bus.publish(Paid({ order: 'wrong' }))
    await expect.poll(() => total(guard)).toBe(1)
    await guard.deadLetters.replay({}, { edit: () => ({ order: 'right' }), by: 'ann' })
    await expect.poll(() => seen).toEqual(['wrong', 'right'])
    await expect.poll(() => total(guard)).toBe(1)
    const { entries } = await guard.deadLetters.list()
    expect(entries).toMatchObject([{ edited: { payload: { order: 'wrong' }, by: 'ann' }, replays: 1 }])
    expect(JSON.stringify(entries)).not.toContain('secret')
  })

  it('C-53 parks the later events of a session behind its dead letter, and drains them in order', async () => {
    const { bus, guard } = await open({ sequences: true })
    let isBroken = true
    const handled: string[] = []
    bus.on(
      Paid,
      ({ payload }) => {
        if (isBroken && payload.order === '1') throw stolen
        handled.push(payload.order)
      },
      { name: 'ship' },
    )
    for (const order of ['1', '2', '3']) await bus.publish(Paid({ order }, { sessionId: 's' }))
    await bus.publish(Paid({ order: 'other' }, { sessionId: 't' }))
    await expect.poll(() => total(guard)).toBe(3)
    await expect.poll(() => handled).toEqual(['other'])
    isBroken = false
    await guard.deadLetters.replay({ session: 's' })
    await expect.poll(() => handled).toEqual(['other', '1', '2', '3'])
  })

  it('R-DUR-3 events that an open circuit refuses wait in the store, with no attempt used up', async () => {
    const { bus, guard, persistence } = await open({ retry: { maxRetries: 1, initialDelayMs: 1 } })
    let works = false
    const attempts: number[] = []
    const ship = (_event: unknown, { attempt }: { readonly attempt: number }): void => {
      attempts.push(attempt)
      if (!works) throw new Error('the bank is down')
    }
    bus.on(Paid, ship, { name: 'ship', circuitBreaker: { consecutive: 1, openForMs: 1500 } })
    for (let n = 0; n < 5; n++) await bus.publish(Paid({ order: String(n) }))
    await expect.poll(() => guard.circuits()).toMatchObject([{ state: { is: 'open' } }])
    works = true
    await expect.poll(async () => (await persistence.inspect.list()).entries.length, { timeout: 20_000 }).toBe(0)
    expect(attempts.toSorted((a, b) => a - b)).toEqual([1, 1, 1, 1, 1, 2])
    expect(await total(guard)).toBe(0)
  })

  it('R-PRI-3 a handler of stored events that takes too long is aborted, and tried again', async () => {
    const { bus, guard } = await open({ retry: { maxRetries: 1, initialDelayMs: 1 } })
    const began: number[] = []
    const slow = (_event: unknown, { attempt, signal }: EventContext): Promise<void> => {
      began.push(attempt)
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    }
    bus.on(Paid, slow, { name: 'ship', timeoutMs: 20 })
    await bus.publish(Paid({ order: '1' }))
    await expect.poll(() => total(guard)).toBe(1)
    expect(began).toEqual([1, 2])
    expect((await guard.deadLetters.list()).entries).toMatchObject([
      { reason: 'timed-out', handlers: [{ attempts: 2 }] },
    ])
  })

  it('a bulkhead and a rate limit let stored events wait for their turn, and lose none', async () => {
    const { bus, guard } = await open()
    let running = 0
    let most = 0
    let ended = 0
    const ship = async (): Promise<void> => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
      ended++
    }
    bus.on(Paid, ship, {
      name: 'ship',
      bulkhead: { maxConcurrent: 2, maxQueued: 3 },
      rateLimit: { calls: 10, perMs: 50, maxQueued: 3 },
    })
    for (let n = 0; n < 30; n++) await bus.publish(Paid({ order: String(n) }, { sessionId: `s${n}` }))
    await expect.poll(() => ended, { timeout: 20_000 }).toBe(30)
    expect(most).toBeLessThanOrEqual(2)
    expect(await total(guard)).toBe(0)
  })

  it('R-REG-2 stops the claiming of a type that fails, and goes on when it works', async () => {
    const intakePause = { failureRate: 0.5, minimumCalls: 4, pauseForMs: 300 }
    const { bus, guard } = await open({ intakePause, retry: { maxRetries: 1, initialDelayMs: 1 } })
    let works = false
    const handled = new Set<string>()
    bus.on(
      Paid,
      ({ payload }) => {
        if (!works) throw new Error('the bank is down')
        handled.add(payload.order)
      },
      { name: 'ship' },
    )
    for (let n = 0; n < 10; n++) await bus.publish(Paid({ order: String(n) }))
    await expect.poll(() => bus.health().warnings.map(({ code }) => code)).toContain('INTAKE_PAUSED')
    expect(await total(guard)).toBeLessThanOrEqual(2)
    works = true
    await expect.poll(async () => handled.size + (await total(guard)), { timeout: 20_000 }).toBe(10)
    expect(await total(guard)).toBeLessThanOrEqual(2)
  })
})
