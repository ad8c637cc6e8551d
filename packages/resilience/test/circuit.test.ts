import { defineCommand, defineEvent } from '@buslane/core'
import { describe, expect, it } from 'vitest'
import { CircuitClosed, CircuitHalfOpened, CircuitOpened } from '../src/index.ts'
import { broken, type GuardedBus, guardedBus } from './support/guarded-bus.ts'
import { settle } from './support/virtual-clock.ts'

const Charge = defineCommand<number, string>('card.charge')
const Placed = defineEvent<number>('order.placed')
const down = new Error('the bank is down')

/** A bus with a command whose handler does as it is told. */
const bank = async (
  circuitBreaker: object | true,
): Promise<GuardedBus & { works: boolean; calls: number; told: string[] }> => {
  const guarded = await guardedBus({ retry: false })
  const { bus } = guarded
  const state = { ...guarded, works: false, calls: 0, told: [] as string[] }
  const tell = ({ type }: { type: string }): void => void state.told.push(type)
  for (const Event of [CircuitOpened, CircuitHalfOpened, CircuitClosed]) bus.on(Event as typeof CircuitClosed, tell)
  bus.handle(
    Charge,
    async () => {
      state.calls++
      if (!state.works) throw down
      return 'charged'
    },
    { circuitBreaker },
  )
  return state
}

const charge = async ({ bus }: GuardedBus, times = 1): Promise<string> => {
  let last = ''
  for (let n = 0; n < times; n++) {
    const result = await bus.execute(Charge(n))
    last = result.success ? result.value : result.error.code
  }
  return last
}

describe('the circuit breaker of a command', () => {
  it('fault 1: opens for real, and the handler is not called any more', async () => {
    const state = await bank({ consecutive: 3 })
    expect(await charge(state, 3)).toBe('HANDLER_FAILED')
    expect(await charge(state, 10)).toBe('CIRCUIT_OPEN')
    expect(state.calls).toBe(3)
    expect(state.guard.circuits()).toEqual([{ name: 'card.charge', state: { is: 'open', probesInMs: 30_000 } }])
    expect(state.bus.health().warnings).toMatchObject([{ code: 'CIRCUIT_OPEN' }])
  })

  it('is open for 5 failures in a row by default, and not before', async () => {
    const state = await bank(true)
    await charge(state, 4)
    expect(state.guard.circuits()).toMatchObject([{ state: { is: 'closed', consecutiveFailures: 4 } }])
    await charge(state)
    expect(state.guard.circuits()).toMatchObject([{ state: { is: 'open' } }])
  })

  it('a success in between starts the count anew', async () => {
    const state = await bank({ consecutive: 3 })
    await charge(state, 2)
    state.works = true
    await charge(state)
    state.works = false
    await charge(state, 2)
    expect(state.guard.circuits()).toMatchObject([{ state: { is: 'closed', consecutiveFailures: 2 } }])
  })

  it('fault 17: half-open lets only its probes through', async () => {
    const { bus, clock, guard } = await guardedBus({ retry: false })
    let calls = 0
    let answer = Promise.withResolvers<string>()
    bus.handle(Charge, () => (calls++, answer.promise), {
      circuitBreaker: { consecutive: 1, openForMs: 1000, probes: 2 },
    })
    answer.reject(down)
    await bus.execute(Charge(0))
    await clock.advance(1000)
    answer = Promise.withResolvers()
    calls = 0
    const results = Array.from({ length: 100 }, (_, n) => bus.execute(Charge(n)))
    await settle()
    expect(calls).toBe(2)
    expect(guard.circuits()).toMatchObject([{ state: { is: 'half-open', probing: 2, succeeded: 0 } }])
    answer.resolve('charged')
    const charged = (await Promise.all(results)).filter(({ success }) => success)
    expect(charged).toHaveLength(2)
    expect(guard.circuits()).toMatchObject([{ state: { is: 'closed' } }])
  })

  it('closes when its probes succeed, opens when one fails, and tells each time', async () => {
    const state = await bank({ consecutive: 1, openForMs: 1000 })
    await charge(state)
    await state.clock.advance(1000)
    await charge(state) // the probe fails
    await state.clock.advance(999)
    expect(await charge(state)).toBe('CIRCUIT_OPEN')
    await state.clock.advance(1)
    state.works = true
    expect(await charge(state, 5)).toBe('charged')
    await settle()
    expect(state.told).toEqual(
      ['opened', 'half-opened', 'opened', 'half-opened', 'closed'].map((what) => `buslane.circuit.${what}`),
    )
  })

  it('a probe that is never heard of does not keep it from closing for ever', async () => {
    const { bus, clock } = await guardedBus({ retry: false })
    let work: () => Promise<string> = () => Promise.reject(down)
    bus.handle(Charge, () => work(), { circuitBreaker: { consecutive: 1, openForMs: 1000 } })
    await bus.execute(Charge(0))
    await clock.advance(1000)
    work = () => new Promise(() => undefined)
    void bus.execute(Charge(1))
    await clock.advance(999)
    work = async () => 'charged'
    await expect(bus.execute(Charge(2))).resolves.toMatchObject({ success: false })
    await clock.advance(1)
    await expect(bus.execute(Charge(3))).resolves.toMatchObject({ success: true })
  })

  it('R-SCH-2 a wall clock that is set neither opens nor closes it', async () => {
    const state = await bank({ consecutive: 1, openForMs: 1000 })
    await charge(state)
    state.clock.stepWall(1_000_000)
    expect(await charge(state)).toBe('CIRCUIT_OPEN')
  })

  it('what ended after it opened says nothing', async () => {
    const { bus, clock, guard } = await guardedBus({ retry: false })
    const slow = Promise.withResolvers<string>()
    let work = (): Promise<string> => slow.promise
    bus.handle(Charge, () => work(), { circuitBreaker: { consecutive: 1, openForMs: 1000 } })
    const first = bus.execute(Charge(0))
    work = () => Promise.reject(down)
    await bus.execute(Charge(1))
    slow.resolve('charged')
    await first
    expect(guard.circuits()).toMatchObject([{ state: { is: 'open' } }])
    await clock.advance(1000)
  })

  it('what was begun before it opened does not close it while it probes', async () => {
    const { bus, clock, guard } = await guardedBus({ retry: false })
    const slow = Promise.withResolvers<string>()
    let work = (): Promise<string> => slow.promise
    bus.handle(Charge, () => work(), { circuitBreaker: { consecutive: 1, openForMs: 1000 } })
    const first = bus.execute(Charge(0))
    work = () => Promise.reject(down)
    await bus.execute(Charge(1))
    await clock.advance(1000)
    work = () => new Promise(() => undefined)
    void bus.execute(Charge(2))
    slow.resolve('charged')
    await first
    expect(guard.circuits()).toMatchObject([{ state: { is: 'half-open', probing: 1, succeeded: 0 } }])
  })

  it('errors that countIf does not count do not open it', async () => {
    const state = await bank({ consecutive: 1, countIf: (error: unknown) => error !== down })
    await charge(state, 10)
    expect(state.calls).toBe(10)
  })

  it('what the caller aborts does not count', async () => {
    const { bus, guard } = await guardedBus({ retry: false })
    bus.handle(
      Charge,
      (_command, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
      { circuitBreaker: { consecutive: 1 } },
    )
    const caller = new AbortController()
    const result = bus.execute(Charge(0), { signal: caller.signal })
    caller.abort()
    await result
    await settle()
    expect(guard.circuits()).toMatchObject([{ state: { is: 'closed', consecutiveFailures: 0 } }])
    expect(guard.handlerStats()).toMatchObject([{ failures: 0 }])
  })
})

describe('sampling', () => {
  it('opens at a share of failures, once there were enough calls', async () => {
    const state = await bank({ sampling: { failureRate: 0.5, minimumCalls: 10, windowMs: 1000 } })
    state.works = true
    await charge(state, 5)
    state.works = false
    await charge(state, 4)
    expect(state.guard.circuits()).toMatchObject([{ state: { is: 'closed' } }])
    await charge(state)
    expect(state.guard.circuits()).toMatchObject([{ state: { is: 'open' } }])
  })

  it('forgets what is older than the window', async () => {
    const state = await bank({ sampling: { failureRate: 0.5, minimumCalls: 10, windowMs: 1000 } })
    await charge(state, 9)
    await state.clock.advance(1100)
    await charge(state, 9)
    expect(state.guard.circuits()).toMatchObject([{ state: { is: 'closed' } }])
    await charge(state)
    expect(state.guard.circuits()).toMatchObject([{ state: { is: 'open' } }])
  })
})

describe('of an event handler', () => {
  it('is its own: the others are called', async () => {
    const { bus, clock, guard } = await guardedBus({ retry: false })
    const bad = broken(down)
    const good: number[] = []
    bus.on(Placed, bad.handle, { name: 'bad', circuitBreaker: { consecutive: 2 } })
    bus.on(Placed, ({ payload }) => void good.push(payload), { name: 'good' })
    for (let n = 0; n < 5; n++) await bus.publish(Placed(n))
    await clock.advance(0)
    expect(bad.runs).toBe(2)
    expect(good).toEqual([0, 1, 2, 3, 4])
    expect((await guard.deadLetters.count()).byReason).toEqual({ failed: 2, 'circuit-open': 3 })
    expect(guard.circuits()).toMatchObject([{ name: 'order.placed bad' }])
  })

  it('events that are refused use up no attempt, and wait for as long as it is open', async () => {
    const { bus, clock, guard } = await guardedBus({ retry: { maxRetries: 1, jitter: 'none' } })
    let works = false
    const handled: number[] = []
    const attempts: number[] = []
    bus.on(
      Placed,
      ({ payload }, { attempt }) => {
        attempts.push(attempt)
        if (!works) throw down
        handled.push(payload)
      },
      { name: 'ship', circuitBreaker: { consecutive: 1, openForMs: 5000 } },
    )
    for (let n = 0; n < 3; n++) await bus.publish(Placed(n), { priority: n })
    await clock.advance(14_000) // the first event fails twice, the second once
    works = true
    await clock.advance(20_000)
    expect(handled).toEqual([1, 2])
    expect(attempts).toEqual([1, 2, 1, 2, 1])
    const { entries } = await guard.deadLetters.list({ type: Placed })
    expect(entries).toMatchObject([{ payload: 0, reason: 'attempts-exhausted', attempts: [{}, {}] }])
  })

  it('those who were refused while it probed are called soon after it has closed', async () => {
    const { bus, clock } = await guardedBus({ retry: { jitter: 'none' } }, { lane: () => undefined })
    let works = false
    const handled: number[] = []
    bus.on(
      Placed,
      async ({ payload }) => {
        if (!works) throw down
        await Promise.resolve()
        handled.push(payload)
      },
      { circuitBreaker: { consecutive: 1, openForMs: 60_000 } },
    )
    for (let n = 0; n < 3; n++) await bus.publish(Placed(n))
    await clock.advance(1)
    works = true
    await clock.advance(61_001)
    expect(handled).toHaveLength(3)
  })

  it('retries wait until it may close', async () => {
    const { bus, clock } = await guardedBus({ retry: { jitter: 'none' } })
    const began: number[] = []
    bus.on(
      Placed,
      () => {
        began.push(clock.monotonic())
        if (began.length < 3) throw down
      },
      { circuitBreaker: { consecutive: 2, openForMs: 5000 } },
    )
    await bus.publish(Placed(1))
    await clock.advance(60_000)
    expect(began).toEqual([0, 100, 5100])
  })
})

describe('its state', () => {
  it('is plain JSON, and is taken up again, also before the handler is there', async () => {
    const before = await bank({ consecutive: 1, openForMs: 10_000 })
    await charge(before)
    await before.clock.advance(4000)
    const text = JSON.stringify(before.guard.circuits())
    const after = await guardedBus({ retry: false })
    after.guard.restoreCircuits(JSON.parse(text))
    after.bus.handle(Charge, async () => 'charged', { circuitBreaker: { consecutive: 1, openForMs: 10_000 } })
    expect(await charge(after)).toBe('CIRCUIT_OPEN')
    await after.clock.advance(6000)
    expect(await charge(after)).toBe('charged')
  })

  it('a closed one remembers how near it was', async () => {
    const state = await bank({ consecutive: 2 })
    state.guard.restoreCircuits([{ name: 'card.charge', state: { is: 'closed', consecutiveFailures: 1 } }])
    await charge(state)
    expect(state.guard.circuits()).toMatchObject([{ state: { is: 'open' } }])
  })
})

it.each([
  [{ consecutive: 0 }, 'circuitBreaker.consecutive'],
  [{ openForMs: 0 }, 'circuitBreaker.openForMs'],
  [{ probes: 0 }, 'circuitBreaker.probes'],
  [{ sampling: { failureRate: 0 } }, 'circuitBreaker.sampling.failureRate'],
  [{ sampling: { failureRate: 1.5 } }, 'circuitBreaker.sampling.failureRate'],
  [{ sampling: {} }, 'circuitBreaker.sampling.failureRate'],
  [{ sampling: { failureRate: 0.5, windowMs: 0 } }, 'circuitBreaker.sampling.windowMs'],
  [{ sampling: { failureRate: 0.5, minimumCalls: 0 } }, 'circuitBreaker.sampling.minimumCalls'],
  [{ treshold: 5 }, 'circuitBreaker.treshold'],
])('refuses %o by its name', async (circuitBreaker, name) => {
  const { bus } = await guardedBus()
  expect(() => bus.handle(Charge, () => '', { circuitBreaker: circuitBreaker as never })).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(name) }),
  )
})
