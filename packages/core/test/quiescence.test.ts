import { describe, expect, it } from 'vitest'
import { type BusOptions, defineCommand, defineEvent } from '../src/index.ts'
import { deferred } from './support/deferred.ts'
import { quietBus, runningBus } from './support/quiet-bus.ts'
import { retrying } from './support/retry.ts'
import { anything, later } from './support/schemas.ts'
import { stateOf } from './support/state-of.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

/** Waits for the bus in its handler. */
const Waiter = defineEvent<string>('waiter')
/** Handled when its gate opens. */
const Work = defineEvent<string>('work')
const Nested = defineEvent<string>('nested')
const Do = defineCommand<string, string>('do')

const byPayload: BusOptions = { lane: ({ payload }) => (payload as string)[0] }

/** A bus with a lane for each first letter, and a log of what its handlers did. */
const setUp = async (options: BusOptions = {}) => {
  const clock = new VirtualClock()
  const bus = await runningBus({ clock, ...byPayload, ...options })
  const log: string[] = []
  const gates = new Map<string, PromiseWithResolvers<void>>()
  bus.on(Work, async ({ payload }) => {
    const gate = deferred()
    gates.set(payload, gate)
    await gate.promise
    log.push(payload)
  })
  const finish = async (payload: string): Promise<void> => {
    gates.get(payload)!.resolve()
    await settle()
  }
  return { bus, clock, log, finish }
}

describe('outside handlers', () => {
  it('R-PUB-4 resolves at once when there is nothing to do', async () => {
    const bus = quietBus()

    await bus.idle()
    await bus.start()
    await bus.idle()

    expect(bus.stats().offered).toBe(0)
  })

  it('R-PUB-4 waits for what waits and for what runs, and for what handlers publish meanwhile', async () => {
    const { bus, log, finish } = await setUp()
    bus.on(Nested, (_event, { publish }) => publish(Work('b')))
    void bus.publish(Nested('a'))
    void bus.publish(Work('a'))
    const idle = bus.idle()

    expect(await stateOf(idle)).toBe('pending')
    await finish('a')
    expect(await stateOf(idle)).toBe('pending')
    await finish('b')

    await idle
    expect(log).toEqual(['a', 'b'])
  })

  it('R-PUB-4 resolves at the first moment of quiet, not when that moment is over', async () => {
    const { bus, finish } = await setUp()
    void bus.publish(Work('a'))
    await settle()
    const log: string[] = []
    const idle = bus.idle().then(() => log.push(`running ${bus.stats().running}, waiting ${bus.stats().waiting}`))

    await finish('a')
    await idle

    expect(log).toEqual(['running 0, waiting 0'])
  })

  it('R-PUB-4 does not count what is scheduled for later, and counts it once due', async () => {
    const { bus, clock, finish } = await setUp()
    await bus.schedule(Work('a'), { delayMs: 100 })

    await bus.idle()
    await clock.advance(100)
    const idle = bus.idle()
    expect(await stateOf(idle)).toBe('pending')

    await finish('a')
    await idle
  })

  it('R-PUB-4 waits for retries in memory, blocked publishers, commands and unanswered schemas', async () => {
    const clock = new VirtualClock()
    const bus = await runningBus({ clock, plugins: [retrying(2, 100)], queue: { capacity: 1 } })
    const [schema, command] = [deferred(), deferred()]
    const Slow = defineEvent('slow', { schema: later(anything<string>(), schema.promise) })
    bus.on(Work, () => Promise.reject(new Error('again')))
    bus.handle(Do, () => command.promise.then(() => 'done'))

    void bus.publish(Work('a'))
    await settle()
    void bus.publish(Nested('waits'))
    void bus.publish(Nested('blocked'))
    const retried = bus.idle()
    expect(await stateOf(retried)).toBe('pending')
    await clock.advance(100)
    await retried
    expect(bus.stats()).toMatchObject({ settled: 3, blocked: 0 })

    void bus.publish(Slow('b'))
    const answered = bus.idle()
    expect(await stateOf(answered)).toBe('pending')
    schema.resolve()
    await answered

    void bus.execute(Do('c'))
    const executed = bus.idle()
    expect(await stateOf(executed)).toBe('pending')
    command.resolve()
    await executed
  })

  it('R-PUB-4 ends by its signal, and leaves nothing behind', async () => {
    const { bus, finish } = await setUp()
    void bus.publish(Work('a'))
    await settle()
    const controller = new AbortController()
    const idle = bus.idle({ signal: controller.signal })

    controller.abort(new Error('enough'))

    await expect(idle).rejects.toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } })
    await expect(bus.idle({ signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    await finish('a')
    await bus.idle()
  })

  it('R-PUB-4 waits for a handler that itself waits for idle', async () => {
    const { bus, finish } = await setUp()
    const gate = deferred()
    bus.on(Waiter, async () => {
      await bus.idle()
      await gate.promise
    })
    void bus.publish(Waiter('a'))
    await settle()
    const idle = bus.idle()

    expect(await stateOf(idle)).toBe('pending')
    gate.resolve()
    await idle
    void bus.publish(Work('b'))
    await settle()
    await finish('b')
  })
})

describe('idle inside a handler', () => {
  it('R-PUB-4 does not wait for the handler itself, nor for what stands behind it in its lane', async () => {
    const { bus, log, finish } = await setUp()
    bus.on(Waiter, async () => {
      await bus.idle()
      log.push('idle')
    })
    void bus.publish(Waiter('a'))
    void bus.publish(Work('a'))
    await settle()

    expect(log).toEqual(['idle'])
    await finish('a')
    expect(log).toEqual(['idle', 'a'])
  })

  it('R-PUB-4 works after awaits, and at any depth of nesting', async () => {
    const { bus, log } = await setUp()
    bus.on(Waiter, async (_event, { publishAndWait }) => {
      await settle()
      await publishAndWait(Nested('a'))
      await bus.idle()
      log.push('outer idle')
    })
    bus.on(Nested, async () => {
      await settle()
      await bus.idle()
      log.push('nested idle')
    })

    await bus.publishAndWait(Waiter('a'))

    expect(log).toEqual(['nested idle', 'outer idle'])
  })

  it('R-PUB-4 waits for the work of other lanes, to the last event of each', async () => {
    const { bus, log, finish } = await setUp()
    bus.on(Waiter, async () => {
      await bus.idle()
      log.push('idle')
    })
    for (const payload of ['b1', 'b2', 'c1', 'c2']) void bus.publish(Work(payload))
    void bus.publish(Waiter('a'))
    await settle()
    for (const payload of ['b1', 'c1', 'c2', 'b2']) await finish(payload)

    expect(log).toEqual(['b1', 'c1', 'c2', 'b2', 'idle'])
  })

  it('R-PUB-4 waits for another lane that gave a turn of the event loop away', async () => {
    const { bus, clock, log } = await setUp()
    bus.on(Waiter, async () => {
      await bus.idle()
      log.push('idle')
    })
    bus.on(Nested, ({ payload }) => {
      clock.elapse(10)
      log.push(payload)
    })
    void bus.publish(Waiter('a'))
    for (const payload of ['b1', 'b2', 'c1', 'c2', 'd1', 'd2']) void bus.publish(Nested(payload))

    await bus.idle()

    expect(log.at(-1)).toBe('idle')
    expect(log).toHaveLength(7)
  })

  it('R-PUB-4 does not let two handlers that idle in different lanes wait for each other', async () => {
    const { bus, log } = await setUp()
    bus.on(Waiter, async ({ payload }) => {
      await settle()
      await bus.idle()
      log.push(payload)
    })
    void bus.publish(Waiter('a'))
    void bus.publish(Waiter('b'))
    void bus.publish(Waiter('c'))

    await bus.idle()

    expect(log.toSorted()).toEqual(['a', 'b', 'c'])
  })

  it('R-PUB-4 does not let two handlers of one group wait for each other', async () => {
    const { bus, log } = await setUp()
    for (const name of ['one', 'two']) {
      bus.on(Waiter, async () => {
        await settle()
        await bus.idle()
        log.push(name)
      })
    }

    await bus.publishAndWait(Waiter('a'))

    expect(log).toEqual(['one', 'two'])
  })

  it('R-PUB-4 waits for a sibling of its group, which is not in its chain of calls', async () => {
    const { bus, log } = await setUp()
    const gate = deferred()
    bus.on(Waiter, async () => {
      await bus.idle()
      log.push('idle')
    })
    bus.on(Waiter, () => gate.promise.then(() => log.push('sibling')))
    void bus.publish(Waiter('a'))
    await settle()
    gate.resolve()
    await bus.idle()

    expect(log).toEqual(['sibling', 'idle'])
  })

  it('R-PUB-4 does not wait with concurrency 1 for lanes that cannot start before the handler ends', async () => {
    const { bus, log, finish } = await setUp({ concurrency: 1 })
    bus.on(Waiter, async () => {
      await settle()
      await bus.idle()
      log.push('idle')
    })
    void bus.publish(Waiter('a'))
    void bus.publish(Work('b'))
    await settle()
    await settle()

    expect(log).toEqual(['idle'])
    await finish('b')
  })

  it('R-PUB-4 waits for nested events of its own that nobody awaits', async () => {
    const { bus, log } = await setUp()
    const gate = deferred()
    bus.on(Waiter, async (_event, { publishAndWait }) => {
      void publishAndWait(Nested('a'))
      await bus.idle()
      log.push('idle')
    })
    bus.on(Nested, () => gate.promise.then(() => log.push('nested')))
    void bus.publish(Waiter('a'))
    await settle()
    gate.resolve()
    await bus.idle()

    expect(log).toEqual(['nested', 'idle'])
  })

  it('R-PUB-4 waits in a nested event whose outer handler has ended for all that still runs', async () => {
    const { bus, log, finish } = await setUp()
    const gate = deferred()
    bus.on(Waiter, (_event, { publishAndWait }) => void publishAndWait(Nested('a')))
    bus.on(Nested, async () => {
      await gate.promise
      await bus.idle()
      log.push('idle')
    })
    void bus.publish(Waiter('a'))
    void bus.publish(Work('b'))
    await settle()
    gate.resolve()
    await settle()
    await finish('b')

    expect(log).toEqual(['b', 'idle'])
  })

  it('R-PUB-4 is not misled by a handler that timed out while it waited for idle', async () => {
    const { bus, clock, log, finish } = await setUp()
    const gate = deferred()
    bus.on(Waiter, () => bus.idle())
    bus.on(Nested, async () => {
      await gate.promise
      await bus.idle()
      log.push('idle')
    })
    void bus.publish(Work('b'))
    void bus.publish(Nested('c'))
    const timedOut = bus.publishAndWait(Waiter('a'), { timeoutMs: 10 })
    await clock.advance(10)
    expect((await timedOut).handlers[0]?.status).toBe('timed-out')
    gate.resolve()
    await settle()
    await finish('b')

    expect(log).toEqual(['b', 'idle'])
  })

  it.each(['context', 'bus'] as const)(
    'R-PUB-4 does not wait for the chain of a command that a handler executes through %s',
    async (through) => {
      const { bus, log } = await setUp()
      bus.handle(Do, async () => {
        await settle()
        await bus.idle()
        log.push('idle')
        return 'done'
      })
      bus.on(Waiter, (_event, context) => ({ context, bus })[through].execute(Do('now')))

      const { handlers } = await bus.publishAndWait(Waiter('a'))

      expect(handlers[0]).toMatchObject({ value: { success: true } })
      expect(log).toEqual(['idle'])
    },
  )

  it.each(['context', 'bus'] as const)(
    'R-PUB-4 does not wait for a command that waits for the event through %s',
    async (through) => {
      const { bus, log } = await setUp()
      bus.handle(Do, async (_command, context) => {
        await { context, bus }[through].publishAndWait(Waiter('a'))
        return 'done'
      })
      bus.on(Waiter, async () => {
        await settle()
        await bus.idle()
        log.push('idle')
      })

      const { success } = await bus.execute(Do('now'))

      expect({ success, log }).toEqual({ success: true, log: ['idle'] })
    },
  )

  it('R-PUB-4 waits in a command for the events that are at work', async () => {
    const { bus, log, finish } = await setUp()
    bus.handle(Do, async () => {
      await bus.idle()
      log.push('idle')
      return 'done'
    })
    void bus.publish(Work('a1'))
    void bus.publish(Work('a2'))
    const executing = bus.execute(Do('now'))
    await settle()
    await finish('a1')
    await finish('a2')

    await executing
    expect(log).toEqual(['a1', 'a2', 'idle'])
  })
})

describe('stop inside a handler', () => {
  it('R-PUB-4 does not wait for the handler itself, and lets it finish', async () => {
    const { bus, log } = await setUp()
    bus.on(Waiter, async () => {
      await settle()
      log.push(`left ${(await bus.stop()).left.length}`)
    })

    const { handlers } = await bus.publishAndWait(Waiter('a'))

    expect(handlers[0]?.status).toBe('fulfilled')
    expect(log).toEqual(['left 0'])
    expect(bus.state).toBe('stopped')
  })

  it('R-PUB-4 finishes the work of other lanes first, to the last event', async () => {
    const { bus, log, finish } = await setUp()
    bus.on(Waiter, async () => {
      const { left } = await bus.stop()
      log.push(`left ${left.length}`)
    })
    for (const payload of ['b1', 'b2', 'b3']) void bus.publish(Work(payload))
    void bus.publish(Waiter('a'))
    await settle()
    for (const payload of ['b1', 'b2', 'b3']) await finish(payload)

    expect(log).toEqual(['b1', 'b2', 'b3', 'left 0'])
  })

  it('R-PUB-4 reports what stands behind the handler in its lane as left', async () => {
    const { bus, log } = await setUp()
    const behind = Work('a')
    let left: readonly { readonly id: string }[] = []
    bus.on(Waiter, async () => void ({ left } = await bus.stop()))
    void bus.publish(Waiter('a'))
    void bus.publish(behind)
    await settle()

    expect(left.map(({ id }) => id)).toEqual([behind.id])
    expect(log).toEqual([])
  })

  it('R-PUB-4 lets two handlers stop the bus at the same time', async () => {
    const { bus, log } = await setUp()
    bus.on(Waiter, async ({ payload }) => {
      await settle()
      await bus.stop()
      log.push(payload)
    })
    void bus.publish(Waiter('a'))
    void bus.publish(Waiter('b'))
    await settle()
    await settle()
    await settle()

    expect(log.toSorted()).toEqual(['a', 'b'])
    expect(bus.state).toBe('stopped')
  })

  it('R-PUB-4 does not make somebody outside who stops the bus too wait for the handler', async () => {
    const { bus } = await setUp()
    const gate = deferred()
    bus.on(Waiter, async () => {
      await gate.promise
      await bus.stop()
    })
    void bus.publish(Waiter('a'))
    await settle()
    const stopping = bus.stop()
    expect(await stateOf(stopping)).toBe('pending')
    gate.resolve()

    // The clock of this test does not move, so it is not the time limit that ends the wait.
    expect(await stateOf(stopping)).toBe('fulfilled')
    expect(bus.state).toBe('stopped')
  })

  it('R-PUB-4 stops from a nested event and from a command inside a handler', async () => {
    const { bus, log } = await setUp()
    bus.handle(Do, async () => {
      await settle()
      await bus.stop()
      log.push('stopped')
      return 'done'
    })
    bus.on(Waiter, (_event, { publishAndWait }) => publishAndWait(Nested('a')))
    bus.on(Nested, (_event, { execute }) => execute(Do('now')))

    const { handlers } = await bus.publishAndWait(Waiter('a'))

    expect(handlers[0]?.status).toBe('fulfilled')
    expect(log).toEqual(['stopped'])
  })
})

describe('session.end inside a handler', () => {
  it('R-PUB-4 does not make somebody outside who ends the session too wait for the handler', async () => {
    const { bus, log } = await setUp()
    const gate = deferred()
    const session = bus.session('s')
    bus.on(Waiter, async () => {
      await gate.promise
      await session.end()
      log.push('handler')
    })
    void session.publish(Waiter('a'))
    await settle()
    const ending = session.end().then(() => log.push('outside'))
    expect(await stateOf(ending)).toBe('pending')
    gate.resolve()
    await settle()

    expect(log.toSorted()).toEqual(['handler', 'outside'])
  })

  it('R-PUB-4 does not wait for the handler itself, also after awaits', async () => {
    const { bus, log } = await setUp({ lane: undefined })
    const session = bus.session('s')
    session.on(Waiter, async () => {
      await settle()
      await session.end()
      log.push('ended')
    })

    await session.publishAndWait(Waiter('a'))

    expect(log).toEqual(['ended'])
    expect(bus.getSession('s')).toBeUndefined()
  })

  it('R-PUB-4 waits for other work of the session, to the last event', async () => {
    const { bus, log, finish } = await setUp()
    const session = bus.session('s')
    bus.on(Waiter, async () => {
      await session.end()
      log.push('ended')
    })
    for (const payload of ['b1', 'b2']) void session.publish(Work(payload))
    void session.publish(Waiter('a'))
    await settle()
    for (const payload of ['b1', 'b2']) await finish(payload)

    expect(log).toEqual(['b1', 'b2', 'ended'])
  })

  it('R-PUB-4 ends a session from a command that one of its handlers executes', async () => {
    const { bus, log } = await setUp({ lane: undefined })
    const session = bus.session('s')
    session.handle(Do, async () => {
      await session.end()
      log.push('ended')
      return 'done'
    })
    session.on(Waiter, (_event, { execute }) => execute(Do('now')))

    await session.publishAndWait(Waiter('a'))

    expect(log).toEqual(['ended'])
  })

  it('R-PUB-4 lets two handlers of one session end it at the same time', async () => {
    const { bus, log } = await setUp()
    const session = bus.session('s')
    bus.on(Waiter, async ({ payload }) => {
      await settle()
      await session.end()
      log.push(payload)
    })
    void session.publish(Waiter('a'))
    void session.publish(Waiter('b'))

    await bus.idle()

    expect(log.toSorted()).toEqual(['a', 'b'])
  })
})
