import { describe, expect, it } from 'vitest'
import { type BusOptions, defineEvent, type EventOutcome, HandlerPriority, isBusError } from '../src/index.ts'
import { deferred } from './support/deferred.ts'
import { quietBus, runningBus } from './support/quiet-bus.ts'
import { deciding, retrying } from './support/retry.ts'
import { stateOf } from './support/state-of.ts'
import { watchTurns } from './support/turns.ts'
import { unhandledDuring } from './support/unhandled.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Placed = defineEvent<string>('placed')
const Other = defineEvent<string>('other')

const statuses = ({ handlers }: EventOutcome): readonly string[] =>
  handlers.map(({ name, status }) => `${name} ${status}`)

/** A started bus, and the log that its handlers write. */
const setUp = async (options: BusOptions = {}) => {
  const clock = new VirtualClock()
  const bus = await runningBus({ clock, ...options })
  return { bus, clock, log: [] as string[] }
}

describe('priority', () => {
  it('R-PRI-1 runs lower numbers first, whatever the order of registration', async () => {
    const { bus, log } = await setUp()
    for (const [name, priority] of [
      ...Object.entries(HandlerPriority),
      ['before all', -1e9],
      ['between', 50.5],
    ].toReversed() as [string, number][]) {
      bus.on(Placed, async () => void log.push(name), { priority })
    }

    await bus.publishAndWait(Placed('a'))

    expect(log).toEqual(['before all', 'HIGHEST', 'HIGH', 'NORMAL', 'between', 'LOW', 'LOWEST'])
  })

  it('R-PRI-1 has the five names at 0, 10, 50, 90 and 100', () => {
    expect(HandlerPriority).toEqual({ HIGHEST: 0, HIGH: 10, NORMAL: 50, LOW: 90, LOWEST: 100 })
  })

  it('R-PRI-1 takes a handler without a priority as NORMAL', async () => {
    const { bus } = await setUp()
    bus.on(Placed, () => {}, { priority: undefined })

    const { handlers } = await bus.publishAndWait(Placed('a'))

    expect(handlers[0]?.priority).toBe(HandlerPriority.NORMAL)
  })

  it.each([NaN, Infinity, -Infinity, '10', null, 10n, {}])(
    'R-PRI-1 refuses the handler priority %s at registration',
    (priority) => {
      const bus = quietBus()
      const options = { priority } as never

      expect(() => bus.on(Placed, () => {}, options)).toThrow(/finite number/)
      expect(() => bus.onPattern('placed.*', () => {}, options)).toThrow(/finite number/)
      expect(() => bus.session('s').on(Placed, () => {}, options)).toThrow(/finite number/)
    },
  )

  it.each([NaN, Infinity, -Infinity, '10', null])('R-PRI-1 refuses the event priority %s', async (priority) => {
    const { bus } = await setUp()

    await expect(bus.publish(Placed('a'), { priority: priority as never })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })
})

describe('groups', () => {
  it('R-PRI-2 starts the next group only after the slowest handler of the last', async () => {
    const { bus, log } = await setUp()
    const slow = deferred()
    bus.on(Placed, async () => void log.push('quick'), { priority: 1 })
    bus.on(Placed, () => slow.promise.then(() => log.push('slow')), { priority: 1 })
    bus.on(Placed, () => void log.push('next'), { priority: 2 })
    const waiting = bus.publishAndWait(Placed('a'))

    await settle()
    expect(log).toEqual(['quick'])
    slow.resolve()
    await waiting

    expect(log).toEqual(['quick', 'slow', 'next'])
  })

  it('R-PRI-2 runs the handlers of one group concurrently and starts them in registration order', async () => {
    const { bus, log } = await setUp()
    const gate = deferred()
    for (const name of ['first', 'second', 'third']) {
      bus.on(Placed, async () => {
        log.push(`${name} starts`)
        await gate.promise
      })
    }
    void bus.publish(Placed('a'))

    await settle()

    expect(log).toEqual(['first starts', 'second starts', 'third starts'])
    gate.resolve()
  })

  it('R-PRI-2 starts a synchronous handler of a group although an earlier one of it still runs', async () => {
    const { bus, log } = await setUp()
    const gate = deferred()
    bus.on(Placed, () => gate.promise)
    bus.on(Placed, () => void log.push('synchronous'))
    const waiting = bus.publishAndWait(Placed('a'))

    await settle()
    expect(log).toEqual(['synchronous'])
    expect(await stateOf(waiting)).toBe('pending')
    gate.resolve()

    expect((await waiting).failed).toBe(0)
  })

  it('R-PRI-2 gives the outcomes in the order of the groups, with what each handler returned', async () => {
    const { bus } = await setUp()
    bus.on(Placed, async () => 3, { priority: 3, name: 'c' })
    bus.on(Placed, () => 1, { priority: 1, name: 'a' })
    bus.on(Placed, async () => 2, { priority: 1, name: 'b' })

    const { handlers } = await bus.publishAndWait(Placed('a'))

    expect(handlers).toMatchObject([
      { name: 'a', value: 1, attempts: 1 },
      { name: 'b', value: 2, attempts: 1 },
      { name: 'c', value: 3, attempts: 1 },
    ])
  })

  it('R-PRI-2 waits for a foreign thenable before the next group', async () => {
    const { bus, log } = await setUp()
    let finish = (): void => {}
    // oxlint-disable-next-line no-thenable -- a foreign thenable is what is tested
    const foreign = { then: (resolve: (value: string) => void) => void (finish = () => resolve('value')) }
    bus.on(Placed, () => foreign, { priority: 1 })
    bus.on(Placed, () => void log.push('next'), { priority: 2 })
    const waiting = bus.publishAndWait(Placed('a'))

    await settle()
    expect(log).toEqual([])
    finish()

    expect((await waiting).handlers[0]).toMatchObject({ status: 'fulfilled', value: 'value' })
  })

  it('R-PRI-2 waits for a thenable that is a function, as await does', async () => {
    const { bus, log } = await setUp()
    let finish = (): void => {}
    // oxlint-disable-next-line no-thenable -- a foreign thenable is what is tested
    const callable = Object.assign(() => {}, { then: (resolve: () => void) => void (finish = resolve) })
    bus.on(Placed, () => callable, { priority: 1 })
    bus.on(Placed, () => void log.push('next'), { priority: 2 })
    void bus.publish(Placed('a'))

    await settle()
    expect(log).toEqual([])

    finish()
    await settle()
    expect(log).toEqual(['next'])
  })

  it.each(['alone', 'in a group'])(
    'R-PRI-2 takes a thenable that calls back at once and twice once, %s',
    async (where) => {
      const { bus, log } = await setUp()
      const gate = deferred()
      const twice = {
        // oxlint-disable-next-line no-thenable -- a foreign thenable is what is tested
        then: (resolve: (value: string) => void, reject: (error: unknown) => void) => {
          resolve('once')
          resolve('twice')
          reject(new Error('and rejected'))
        },
      }
      bus.on(Placed, () => twice, { priority: 1, name: 'twice' })
      bus.on(Placed, () => gate.promise, { priority: where === 'alone' ? 2 : 1, name: 'slow' })
      bus.on(Placed, () => void log.push('last'), { priority: 3, name: 'last' })
      const waiting = bus.publishAndWait(Placed('a'))

      await settle()
      expect(log).toEqual([])
      gate.resolve()

      expect(statuses(await waiting)).toEqual(['twice fulfilled', 'slow fulfilled', 'last fulfilled'])
      expect(log).toEqual(['last'])
    },
  )

  it('R-PRI-2 is not upset by a promise whose then calls back twice', async () => {
    const { bus, log } = await setUp()
    const gate = deferred()
    class Twice<T> extends Promise<T> {
      // oxlint-disable-next-line no-thenable -- a promise that misbehaves is what is tested
      override then(resolve: any, reject?: any): any {
        return super.then((value) => (resolve(value), resolve(value)), reject)
      }
    }
    bus.on(Placed, () => new Twice((resolve) => resolve(1)))
    bus.on(Other, () => gate.promise, { priority: 1 })
    bus.on(Other, () => void log.push('last'), { priority: 2 })
    void bus.publish(Placed('a'))
    void bus.publish(Other('b'))

    const unhandled = await unhandledDuring(settle)
    expect(unhandled).toEqual([])
    expect(log).toEqual([])

    gate.resolve()
    await bus.idle()
    expect(log).toEqual(['last'])
  })

  it('R-PRI-2 fails the handler whose thenable has a `then` that throws when read', async () => {
    const { bus } = await setUp()
    // oxlint-disable-next-line no-thenable -- a foreign thenable is what is tested
    const unreadable = Object.defineProperty({}, 'then', {
      get: () => {
        throw new Error('unreadable')
      },
    })
    bus.on(Placed, () => unreadable, { priority: 1, name: 'unreadable' })
    bus.on(Placed, () => {}, { priority: 2, name: 'next' })

    expect(statuses(await bus.publishAndWait(Placed('a')))).toEqual(['unreadable rejected', 'next fulfilled'])
  })
})

describe('order that holds', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('x')
      },
    ],
    ['rejects', () => Promise.reject(new Error('x'))],
    ['rejects later', () => settle().then(() => Promise.reject(new Error('x')))],
  ])('R-PRI-3 goes on to the next group when a handler %s', async (_how, fail) => {
    const { bus, log } = await setUp()
    bus.on(Placed, fail, { priority: 1, name: 'bad' })
    bus.on(Placed, () => void log.push('sibling'), { priority: 1, name: 'sibling' })
    bus.on(Placed, () => void log.push('next'), { priority: 2, name: 'next' })

    const outcome = await bus.publishAndWait(Placed('a'))

    expect(statuses(outcome)).toEqual(['bad rejected', 'sibling fulfilled', 'next fulfilled'])
    expect(log).toEqual(['sibling', 'next'])
    expect(outcome.failed).toBe(1)
  })

  it('R-PRI-3 holds the next group back through retries and their back-off', async () => {
    const { bus, clock, log } = await setUp({ plugins: [retrying(3, 100)] })
    bus.on(
      Placed,
      (_event, { attempt }) => {
        log.push(`attempt ${attempt}`)
        throw new Error('again')
      },
      { priority: 1 },
    )
    bus.on(Placed, () => void log.push('next'), { priority: 2 })
    void bus.publish(Placed('a'))

    await clock.advance(199)
    expect(log).toEqual(['attempt 1', 'attempt 2'])
    await clock.advance(1)

    expect(log).toEqual(['attempt 1', 'attempt 2', 'attempt 3', 'next'])
  })

  it('R-PRI-3 waits for the retry of one handler of a group and for its slow sibling', async () => {
    const { bus, clock, log } = await setUp({ plugins: [retrying(2, 100)] })
    const slow = deferred()
    bus.on(Placed, async () => Promise.reject(new Error('again')), { priority: 1 })
    bus.on(Placed, () => slow.promise, { priority: 1 })
    bus.on(Placed, () => void log.push('next'), { priority: 2 })
    void bus.publish(Placed('a'))

    await clock.advance(1000)
    expect(log).toEqual([])
    slow.resolve()
    await settle()

    expect(log).toEqual(['next'])
  })

  it('R-PRI-3 does not let handlers that are added in flight join', async () => {
    const { bus, log } = await setUp()
    bus.on(Placed, () => void bus.on(Placed, () => void log.push('late'), { priority: 90 }), { once: true })

    await bus.publishAndWait(Placed('a'))
    expect(log).toEqual([])
    await bus.publishAndWait(Placed('b'))

    expect(log).toEqual(['late'])
  })

  it('R-PRI-3 fixes the set when the dispatch starts, not when the event is accepted', async () => {
    const { bus, log } = await setUp()
    const gate = deferred()
    bus.on(Other, () => gate.promise)
    void bus.publish(Other('blocks the lane'))
    await settle()
    void bus.publish(Placed('waits'))
    bus.on(Placed, () => void log.push('joined'))
    gate.resolve()
    await bus.idle()

    expect(log).toEqual(['joined'])
  })

  it.each(['remove', 'signal'] as const)(
    'R-PRI-3 skips a handler that is removed by its %s before its group starts',
    async (how) => {
      const { bus, log } = await setUp()
      const controller = new AbortController()
      const remove = { remove: () => registration.remove(), signal: () => controller.abort() }
      bus.on(Placed, async () => remove[how](), { priority: 1, name: 'remover' })
      const registration = bus.on(Placed, () => void log.push('removed'), {
        priority: 2,
        name: 'removed',
        signal: controller.signal,
      })
      bus.on(Placed, () => void log.push('last'), { priority: 3, name: 'last' })

      const outcome = await bus.publishAndWait(Placed('a'))

      expect(statuses(outcome)).toEqual(['remover fulfilled', 'removed skipped', 'last fulfilled'])
      expect(log).toEqual(['last'])
      expect(outcome.failed).toBe(0)
    },
  )

  it('R-PRI-3 lets a handler that is removed while it runs finish, and waits for it', async () => {
    const { bus, log } = await setUp()
    const gate = deferred()
    const registration = bus.on(Placed, () => gate.promise.then(() => log.push('finished')), { priority: 1 })
    bus.on(Placed, () => void log.push('next'), { priority: 2 })
    void bus.publish(Placed('a'))
    await settle()

    registration.remove()
    await settle()
    expect(log).toEqual([])
    gate.resolve()
    await settle()

    expect(log).toEqual(['finished', 'next'])
  })

  it('R-PRI-3 skips the handlers of a session that one of its handlers has ended', async () => {
    const { bus, log } = await setUp()
    const session = bus.session('s')
    session.on(Placed, () => session.end(), { priority: 1, name: 'ends' })
    session.on(Placed, () => void log.push('of the session'), { priority: 2, name: 'session' })
    bus.on(Placed, () => void log.push('of the bus'), { priority: 3, name: 'bus' })

    const outcome = await session.publishAndWait(Placed('a'))

    expect(statuses(outcome)).toEqual(['ends fulfilled', 'session skipped', 'bus fulfilled'])
    expect(log).toEqual(['of the bus'])
  })

  it('R-PRI-3 calls a once handler for one event only, also when two are dispatched at the same time', async () => {
    const { bus, log } = await setUp({ lane: ({ payload }) => payload as string })
    const gate = deferred()
    bus.on(Placed, () => gate.promise, { priority: 1 })
    bus.on(Placed, ({ payload }) => void log.push(payload), { priority: 2, once: true })
    void bus.publish(Placed('a'))
    void bus.publish(Placed('b'))
    await settle()

    gate.resolve()
    await bus.idle()

    expect(log).toEqual(['a'])
    expect((await bus.publishAndWait(Placed('c'))).handlers).toHaveLength(1)
  })

  it('R-PRI-3 calls a once handler once when an event is published from inside it', async () => {
    const { bus, log } = await setUp()
    bus.on(
      Placed,
      async ({ payload }, { publishAndWait }) => {
        log.push(payload)
        await publishAndWait(Placed('inner'))
      },
      { once: true },
    )

    await bus.publishAndWait(Placed('outer'))

    expect(log).toEqual(['outer'])
  })
})

describe('a group that failed', () => {
  const failing = async (options: BusOptions, fail: () => unknown = () => Promise.reject(new Error('x'))) => {
    const { bus, log, clock } = await setUp(options)
    bus.on(Placed, fail, { priority: 1, name: 'bad' })
    bus.on(Placed, () => void log.push('sibling'), { priority: 1, name: 'sibling' })
    bus.on(Placed, () => void log.push('next'), { priority: 2, name: 'next' })
    bus.on(Placed, () => void log.push('last'), { priority: 3, name: 'last' })
    return { bus, log, clock }
  }

  it('R-PRI-4 does not end the event by default', async () => {
    const { bus, log } = await failing({})

    await bus.publishAndWait(Placed('a'))

    expect(log).toEqual(['sibling', 'next', 'last'])
  })

  it('R-PRI-4 ends the event with onGroupFailure stop, after its own handlers have run', async () => {
    const { bus, log } = await failing({ onGroupFailure: 'stop' })

    const outcome = await bus.publishAndWait(Placed('a'))

    expect(statuses(outcome)).toEqual(['bad rejected', 'sibling fulfilled', 'next skipped', 'last skipped'])
    expect(outcome.failed).toBe(1)
    expect(log).toEqual(['sibling'])
  })

  it('R-PRI-4 with stop ends one event, not the next one of its lane', async () => {
    const { bus, log } = await failing({ onGroupFailure: 'stop' })
    bus.on(Other, () => void log.push('other'), { priority: 1 })
    bus.on(Other, () => void log.push('other next'), { priority: 2 })
    void bus.publish(Placed('a'))
    void bus.publish(Other('b'))

    await bus.idle()

    expect(log).toEqual(['sibling', 'other', 'other next'])
  })

  it('R-PRI-4 with stop goes on when a retry succeeds', async () => {
    let runs = 0
    const { bus, log, clock } = await failing({ onGroupFailure: 'stop', plugins: [retrying(2, 10)] }, () =>
      ++runs === 1 ? Promise.reject(new Error('first')) : 'second',
    )
    const waiting = bus.publishAndWait(Placed('a'))

    await clock.advance(10)

    expect((await waiting).failed).toBe(0)
    expect(log).toEqual(['sibling', 'next', 'last'])
  })

  it('R-PRI-4 with stop goes on behind a skipped handler, which is no failure', async () => {
    const { bus, log } = await setUp({ onGroupFailure: 'stop' })
    bus.on(Placed, () => registration.remove(), { priority: 1 })
    const registration = bus.on(Placed, () => {}, { priority: 2 })
    bus.on(Placed, () => void log.push('last'), { priority: 3 })

    await bus.publishAndWait(Placed('a'))

    expect(log).toEqual(['last'])
  })
})

describe('ending an event early', () => {
  const never = (): Promise<never> => new Promise(() => {})

  it('R-PRI-3 times out what runs, does not start the rest, and frees the lane of a handler that never settles', async () => {
    const { bus, clock, log } = await setUp()
    let reason: unknown
    bus.on(
      Placed,
      (_event, { signal }) => (signal.addEventListener('abort', () => (reason = signal.reason)), never()),
      {
        priority: 1,
        name: 'never',
      },
    )
    bus.on(Placed, () => void log.push('sibling'), { priority: 1, name: 'sibling' })
    bus.on(Placed, () => void log.push('next'), { priority: 2, name: 'next' })
    bus.on(Other, () => void log.push('other'))
    const waiting = bus.publishAndWait(Placed('a'), { timeoutMs: 100 })
    void bus.publish(Other('b'))

    await clock.advance(99)
    expect(log).toEqual(['sibling'])
    await clock.advance(1)

    expect(statuses(await waiting)).toEqual(['never timed-out', 'sibling fulfilled', 'next timed-out'])
    expect(isBusError(reason, 'TIMED_OUT')).toBe(true)
    expect(log).toEqual(['sibling', 'other'])
  })

  it('R-PRI-3 aborts what runs by the signal of the caller', async () => {
    const { bus, log } = await setUp()
    const controller = new AbortController()
    bus.on(Placed, never, { priority: 1, name: 'never' })
    bus.on(Placed, () => void log.push('next'), { priority: 2, name: 'next' })
    const waiting = bus.publishAndWait(Placed('a'), { signal: controller.signal })
    await settle()

    controller.abort(new Error('enough'))
    const outcome = await waiting

    expect(statuses(outcome)).toEqual(['never aborted', 'next aborted'])
    expect(outcome.handlers[0]).toMatchObject({ error: { code: 'ABORTED', cause: { message: 'enough' } } })
    expect(log).toEqual([])
  })

  it('R-PRI-3 ends a waiting event at its timeout without running any handler, and keeps the lane in order', async () => {
    const { bus, clock, log } = await setUp()
    const gate = deferred()
    bus.on(Other, () => gate.promise)
    bus.on(Placed, ({ payload }) => void log.push(payload), { name: 'handler' })
    void bus.publish(Other('blocks the lane'))
    void bus.publish(Placed('first'))
    const waiting = bus.publishAndWait(Placed('second'), { timeoutMs: 10 })
    void bus.publish(Placed('third'))

    await clock.advance(10)
    expect(statuses(await waiting)).toEqual(['handler timed-out'])
    gate.resolve()
    await bus.idle()

    expect(log).toEqual(['first', 'third'])
  })

  it('R-PRI-3 ends an event that waits for a retry: the retry does not run', async () => {
    const { bus, clock, log } = await setUp({ plugins: [retrying(9, 100)] })
    const fail = (): never => {
      log.push('run')
      throw new Error('x')
    }
    bus.on(Placed, fail, { name: 'failing' })
    const waiting = bus.publishAndWait(Placed('a'), { timeoutMs: 150 })

    await clock.advance(1000)

    expect((await waiting).handlers).toMatchObject([{ status: 'timed-out', attempts: 2 }])
    expect(log).toEqual(['run', 'run'])
    expect(clock.pendingTimers).toBe(0)
  })

  it.each([
    ['alone', ['abort'], ['aborted']],
    ['first of its group', ['abort', 'never'], ['aborted', 'aborted']],
    ['last of its group', ['never', 'done', 'abort'], ['aborted', 'fulfilled', 'aborted']],
  ] as const)(
    'R-PRI-3 ends an event that a handler aborts in its synchronous part, %s',
    async (_where, group, ends) => {
      const { bus, log } = await setUp()
      const controller = new AbortController()
      const kinds = { abort: () => (controller.abort(), never()), never, done: () => 'done' }
      for (const kind of group) bus.on(Placed, kinds[kind], { priority: 1 })
      bus.on(Placed, () => void log.push('next'), { priority: 2 })
      bus.on(Other, () => void log.push('other'))
      const waiting = bus.publishAndWait(Placed('a'), { signal: controller.signal })
      void bus.publish(Other('b'))

      const { handlers } = await waiting
      await bus.idle()

      expect(handlers.map(({ status }) => status)).toEqual([...ends, 'aborted'])
      expect(log).toEqual(['other'])
    },
  )

  it('R-PRI-3 keeps a late answer of an aborted handler away from the next event of its lane', async () => {
    const { bus, log } = await setUp()
    const controller = new AbortController()
    const [late, gate] = [deferred(), deferred()]
    bus.on(Placed, () => late.promise)
    bus.on(Other, () => gate.promise, { priority: 1 })
    bus.on(Other, () => void log.push('next'), { priority: 2 })
    const waiting = bus.publishAndWait(Placed('a'), { signal: controller.signal })
    void bus.publish(Other('b'))
    await settle()
    controller.abort()
    await waiting
    await settle()

    late.resolve()
    await settle()
    expect(log).toEqual([])

    gate.resolve()
    await bus.idle()
    expect(log).toEqual(['next'])
  })

  it('R-PRI-2 keeps the order of the next event when an observer aborts this one from attemptFailed', async () => {
    const { bus, log } = await setUp()
    const controller = new AbortController()
    const gate = deferred()
    bus.observe({ attemptFailed: () => controller.abort() })
    bus.on(Placed, async () => Promise.reject(new Error('x')))
    bus.on(Other, () => gate.promise, { priority: 1 })
    bus.on(Other, () => void log.push('next'), { priority: 2 })

    const unhandled = await unhandledDuring(async () => {
      const waiting = bus.publishAndWait(Placed('a'), { signal: controller.signal })
      void bus.publish(Other('b'))
      await waiting
      await settle()
      expect(log).toEqual([])
      gate.resolve()
      await bus.idle()
    })

    expect(log).toEqual(['next'])
    expect(unhandled).toEqual([])
  })

  it('R-PRI-3 runs nothing more of an event that onFailure aborts while it asks for a retry', async () => {
    const controller = new AbortController()
    const abortAndRetry = deciding(() => (controller.abort(), { action: 'retry', delayMs: 10 }))
    const { bus, clock, log } = await setUp({ plugins: [abortAndRetry] })
    const fail = async (): Promise<never> => {
      log.push('run')
      throw new Error('x')
    }
    bus.on(Placed, fail)

    const unhandled = await unhandledDuring(async () => {
      const outcome = await bus.publishAndWait(Placed('a'), { signal: controller.signal })
      await clock.advance(100)
      expect(outcome.handlers).toMatchObject([{ status: 'aborted' }])
    })

    expect(log).toEqual(['run'])
    expect(unhandled).toEqual([])
  })

  it('R-PRI-3 does not run a handler whose event an observer aborts from handlerStarted', async () => {
    const { bus, log } = await setUp()
    const controller = new AbortController()
    bus.observe({ handlerStarted: ({ type }) => void (type === 'placed' && controller.abort()) })
    bus.on(Placed, () => void log.push('aborted'))
    bus.on(Other, () => void log.push('other'))

    const unhandled = await unhandledDuring(async () => {
      const waiting = bus.publishAndWait(Placed('a'), { signal: controller.signal })
      void bus.publish(Other('b'))
      await waiting
      await bus.idle()
    })

    expect(log).toEqual(['other'])
    expect(unhandled).toEqual([])
  })
})

describe('failures', () => {
  it.each([undefined, null, 'text', 0, { code: 1 }, Object.create(null), Symbol('s')])(
    'R-ERR-1 takes a thrown %o as a failure of that handler alone',
    async (thrown) => {
      const { bus } = await setUp()
      const fail = (): never => {
        throw thrown
      }
      bus.on(Placed, fail, { name: 'throws' })
      bus.on(Placed, async () => fail(), { name: 'rejects' })
      bus.on(Placed, () => 'fine', { name: 'next', priority: 90 })

      const outcome = await bus.publishAndWait(Placed('a'))

      expect(statuses(outcome)).toEqual(['throws rejected', 'rejects rejected', 'next fulfilled'])
      expect(outcome.handlers[0]).toHaveProperty('error', thrown)
      expect(() => outcome.throwIfFailed()).toThrow(AggregateError)
    },
  )

  it('R-ERR-1 gives every error of an event in one AggregateError, and in the order of the handlers', async () => {
    const { bus } = await setUp()
    const errors = [new Error('one'), new Error('two')]
    bus.on(Placed, () => Promise.reject(errors[0]!), { priority: 1 })
    bus.on(Placed, () => Promise.reject(errors[1]!), { priority: 2 })

    const outcome = await bus.publishAndWait(Placed('a'))

    expect(() => outcome.throwIfFailed()).toThrow(expect.objectContaining({ errors }))
  })

  it('R-ERR-1 lets no failure of a handler become an unhandled rejection', async () => {
    const { bus, clock } = await setUp({ plugins: [retrying(2, 10)] })
    bus.on(Placed, () => {
      throw new Error('thrown')
    })
    bus.on(Placed, async () => Promise.reject(new Error('rejected')))
    bus.on(Placed, () => settle().then(() => Promise.reject(new Error('later'))))

    const unhandled = await unhandledDuring(async () => {
      void bus.publish(Placed('a'))
      await clock.advance(100)
      await bus.idle()
    })

    expect(bus.errors).toHaveLength(3)
    expect(unhandled).toEqual([])
  })

  it('R-ERR-1 lets a rejection after the abort of its event not become an unhandled one', async () => {
    const { bus } = await setUp()
    const controller = new AbortController()
    const gate = deferred()
    bus.on(Placed, () => gate.promise.then(() => Promise.reject(new Error('too late'))))

    const unhandled = await unhandledDuring(async () => {
      const waiting = bus.publishAndWait(Placed('a'), { signal: controller.signal })
      await settle()
      controller.abort()
      await waiting
      gate.resolve()
    })

    expect(unhandled).toEqual([])
  })

  it('R-ERR-1 lets a handler abort its own event and reject at once without an unhandled rejection', async () => {
    const { bus } = await setUp()
    const controller = new AbortController()
    bus.on(Placed, async () => {
      controller.abort()
      throw new Error('after the abort')
    })

    const unhandled = await unhandledDuring(() => bus.publishAndWait(Placed('a'), { signal: controller.signal }))

    expect(unhandled).toEqual([])
  })

  it('R-ERR-1 goes on with the lane when the logger throws', async () => {
    const log: string[] = []
    const broken = (): never => {
      throw new Error('logger')
    }
    const bus = await runningBus({ logger: { debug: broken, info: broken, warn: broken, error: broken } })
    bus.on(Placed, async () => Promise.reject(new Error('x')))
    bus.on(Other, () => void log.push('other'))

    const unhandled = await unhandledDuring(async () => {
      void bus.publish(Placed('a'))
      void bus.publish(Other('b'))
    })

    expect(log).toEqual(['other'])
    expect(unhandled).toEqual([])
  })
})

describe('long dispatches', () => {
  it.each([
    ['one group', () => 1, 1],
    ['a group each', (index: number) => index, 4],
    ['groups of ten', (index: number) => Math.floor(index / 10), 2],
  ] as const)(
    'R-LANE-4 gives the event loop a turn every 10 ms in an event with 200 handlers in %s',
    async (_name, priority, ms) => {
      const { bus, clock } = await setUp()
      const turns = watchTurns(clock)
      for (let index = 0; index < 200; index++) {
        const work = (): void => {
          turns.look()
          clock.elapse(ms)
        }
        bus.on(Placed, work, { priority: priority(index) })
      }

      const outcome = await bus.publishAndWait(Placed('a'))
      turns.stop()

      expect(outcome.handlers).toHaveLength(200)
      expect(turns.longestMs()).toBeLessThan(10 + ms)
    },
  )

  it('R-LANE-4 counts a turn that was given away to no handler', async () => {
    const { bus, clock } = await setUp()
    const slow = async (): Promise<void> => {
      clock.elapse(20)
      // After it has settled, and before the turn that the bus gives away next.
      void Promise.resolve()
        .then(() => undefined)
        .then(() => clock.elapse(100))
    }
    bus.on(Placed, slow, { name: 'slow' })
    bus.on(Placed, () => clock.elapse(5), { name: 'beside it' })
    bus.on(Placed, async () => clock.elapse(3), { name: 'after them', priority: HandlerPriority.LOW })

    const { handlers } = await bus.publishAndWait(Placed('a'))

    expect(handlers.map(({ name, durationMs }) => [name, durationMs])).toEqual([
      ['slow', 20],
      ['beside it', 5],
      ['after them', 3],
    ])
  })

  it('R-PRI-2 keeps the order of groups through the turns that a long event gives away', async () => {
    const { bus, clock, log } = await setUp()
    for (let index = 99; index >= 0; index--) {
      const work = (): void => {
        log.push(String(index))
        clock.elapse(5)
      }
      bus.on(Placed, work, { priority: index })
    }

    await bus.publishAndWait(Placed('a'))

    expect(log).toEqual(Array.from({ length: 100 }, (_, index) => String(index)))
  })

  it('R-PRI-3 ends an event that is timed out while it gives a turn away', async () => {
    const { bus, clock, log } = await setUp()
    const controller = new AbortController()
    setImmediate(() => controller.abort())
    for (let index = 0; index < 100; index++) {
      bus.on(Placed, () => (log.push('run'), clock.elapse(5)), { priority: index })
    }
    bus.on(Other, () => void log.push('other'))
    const waiting = bus.publishAndWait(Placed('a'), { signal: controller.signal })
    void bus.publish(Other('b'))

    const { handlers } = await waiting
    await bus.idle()

    expect(handlers.filter(({ status }) => status === 'fulfilled')).toHaveLength(log.length - 1)
    expect(handlers.filter(({ status }) => status === 'aborted').length).toBeGreaterThan(0)
    expect(log.at(-1)).toBe('other')
  })
})
