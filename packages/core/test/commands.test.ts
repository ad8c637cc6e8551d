import { describe, expect, it } from 'vitest'
import {
  type Bus,
  CommandFailed,
  CommandStarted,
  CommandSucceeded,
  createBus,
  defineCommand,
  defineEvent,
  isBusError,
  type Plugin,
  type StandardSchema,
  type,
  unwrap,
} from '../src/index.ts'
import { baseRegistry } from './support/base-registry.ts'
import { deferred } from './support/deferred.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { digits, later } from './support/schemas.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Double = defineCommand<number, number>('double')
const Fail = defineCommand<string, never>('fail')
const Noted = defineEvent<string>('noted')

const made = (plugins: readonly Plugin[] = []): { bus: Bus; clock: VirtualClock } => {
  const clock = new VirtualClock()
  return { clock, bus: createBus({ clock, plugins, logger: recordingLogger() }) }
}

const retrying = (delayMs: number, attempts: number): Plugin => ({
  name: 'retry',
  install: (host) =>
    host.onFailure((failure) => (failure.attempts < attempts ? { action: 'retry', delayMs } : { action: 'fail' })),
})

describe('execute', () => {
  it('calls the one handler at once and gives its value', async () => {
    const { bus } = made()
    const order: string[] = []
    bus.handle(Double, ({ payload }) => {
      order.push('handler')
      return payload * 2
    })
    const command = Double(21)
    const result = bus.execute(command)
    order.push('returned')
    await expect(result).resolves.toEqual({ success: true, commandId: command.id, value: 42, attempts: 1 })
    expect(order).toEqual(['handler', 'returned'])
  })

  it('gives the value of a promise, and of any thenable', async () => {
    const { bus } = made()
    const Then = defineCommand<undefined, number>('then')
    bus.handle(Double, async ({ payload }) => payload * 2)
    // oxlint-disable-next-line no-thenable -- a promise of another library
    bus.handle(Then, () => ({ then: (resolve: (value: number) => void) => resolve(7) }) as PromiseLike<number>)
    expect(unwrap(await bus.execute(Double(4)))).toBe(8)
    expect(unwrap(await bus.execute(Then()))).toBe(7)
  })

  it('R-PUB-2 works before start', async () => {
    const { bus } = made()
    bus.handle(Double, ({ payload }) => payload * 2)
    expect(bus.state).toBe('created')
    await expect(bus.execute(Double(1))).resolves.toMatchObject({ success: true, value: 2 })
  })

  it('R-ERR-4 an unknown command gives a failed result with NO_HANDLER', async () => {
    const { bus } = made()
    const command = Double(1)
    await expect(bus.execute(command)).resolves.toMatchObject({
      success: false,
      commandId: command.id,
      attempts: 0,
      error: { code: 'NO_HANDLER', message: expect.stringMatching(/'double'.*bus\.handle/s) },
    })
  })

  it('R-ERR-4 a second handler in one scope throws at registration, also on a session', () => {
    const { bus } = made()
    bus.handle(Double, () => 1, { name: 'first' })
    expect(() => bus.handle(Double, () => 2, { name: 'second' })).toThrow(
      expect.objectContaining({ code: 'HANDLER_EXISTS', message: expect.stringMatching(/'first'.*'second'/s) }),
    )
    const session = bus.session('chat')
    session.handle(Double, () => 3)
    expect(() => session.handle(Double, () => 4)).toThrow(expect.objectContaining({ code: 'HANDLER_EXISTS' }))
  })

  it('a removed handler makes room for another; removing twice is harmless', async () => {
    const { bus } = made()
    const registration = bus.handle(Double, () => 1)
    registration.remove()
    await expect(bus.execute(Double(1))).resolves.toMatchObject({ error: { code: 'NO_HANDLER' } })
    bus.handle(Double, () => 2)
    registration.remove()
    registration[Symbol.dispose]()
    await expect(bus.execute(Double(1))).resolves.toMatchObject({ value: 2 })
  })

  it('a handler goes with its signal', async () => {
    const { bus } = made()
    const controller = new AbortController()
    bus.handle(Double, () => 1, { signal: controller.signal })
    controller.abort()
    await expect(bus.execute(Double(1))).resolves.toMatchObject({ error: { code: 'NO_HANDLER' } })
    bus.handle(Double, () => 1, { signal: controller.signal })
    await expect(bus.execute(Double(1))).resolves.toMatchObject({ error: { code: 'NO_HANDLER' } })
  })

  it.each([
    [
      'throws',
      (): never => {
        throw new RangeError('too much')
      },
    ],
    ['rejects', (): Promise<never> => Promise.reject(new RangeError('too much'))],
  ])('a handler that %s gives HANDLER_FAILED with what it threw as the cause', async (_name, handler) => {
    const { bus } = made()
    bus.handle(Fail, handler, { name: 'calculator' })
    const result = await bus.execute(Fail('x'))
    expect(result).toMatchObject({
      success: false,
      attempts: 1,
      error: {
        code: 'HANDLER_FAILED',
        cause: expect.any(RangeError),
        message: expect.stringMatching(/'calculator'.*'fail'.*too much/s),
      },
    })
  })

  it.each([
    ['a string', 'nope'],
    ['null', null],
    ['undefined', undefined],
    ['a symbol', Symbol('nope')],
    ['an object without a prototype', Object.create(null)],
  ])('never rejects when the handler throws %s', async (_name, thrown) => {
    const { bus } = made()
    bus.handle(Fail, () => {
      throw thrown
    })
    const result = await bus.execute(Fail('x'))
    expect(result).toMatchObject({ success: false, error: { code: 'HANDLER_FAILED' } })
    expect(result.success ? 'no' : result.error.cause).toBe(thrown)
  })

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'double'],
    ['an event', Noted('x')],
    ['a definition', Double],
    ['an empty object', {}],
    ['a command without an id', { kind: 'command', type: 'double', payload: 1 }],
  ])('never rejects when it is given %s', async (_name, given) => {
    const { bus } = made()
    await expect(bus.execute(given as never)).resolves.toMatchObject({
      success: false,
      error: { code: 'INVALID_ARGUMENT' },
    })
    expect(bus.stats().commands).toEqual({ running: 0, succeeded: 0, failed: 1 })
  })

  it.each([
    ['a negative timeout', { timeoutMs: -1 }],
    ['a timeout that is no number', { timeoutMs: Number.NaN }],
    ['a timeout as text', { timeoutMs: '5' }],
  ])('never rejects with %s: INVALID_ARGUMENT', async (_name, options) => {
    const { bus } = made()
    bus.handle(Double, () => 1)
    await expect(bus.execute(Double(1), options as never)).resolves.toMatchObject({
      success: false,
      attempts: 0,
      error: { code: 'INVALID_ARGUMENT' },
    })
  })

  it('never rejects when the registry fails: before the handler the result fails, after it the value stands', async () => {
    const { bus: down } = ((): { bus: Bus } => {
      const registry = {
        ...baseRegistry(),
        getCommandHandler: (): never => {
          throw new Error('registry down')
        },
      }
      return { bus: createBus({ registry, logger: recordingLogger() }) }
    })()
    await expect(down.execute(Double(1))).resolves.toMatchObject({
      success: false,
      error: { cause: { message: 'registry down' } },
    })
    const registry = {
      ...baseRegistry(),
      getEventHandlers: (): never => {
        throw new Error('registry down')
      },
    }
    const bus = createBus({ registry, logger: recordingLogger() })
    bus.handle(Double, async ({ payload }) => payload * 2)
    const result = await Promise.race([bus.execute(Double(2)), settle().then(() => 'never answered')])
    expect(result).toMatchObject({ success: true, value: 4 })
  })

  it('counts in stats', async () => {
    const { bus } = made()
    const gate = deferred<number>()
    bus.handle(Double, () => gate.promise)
    const result = bus.execute(Double(1))
    expect(bus.stats().commands).toEqual({ running: 1, succeeded: 0, failed: 0 })
    gate.resolve(2)
    await result
    await bus.execute(Fail('x'))
    expect(bus.stats().commands).toEqual({ running: 0, succeeded: 1, failed: 1 })
  })

  it('R-Q-2 does not count as an event', async () => {
    const { bus } = made()
    bus.handle(Double, () => 1)
    await bus.execute(Double(1))
    expect(bus.stats()).toMatchObject({ offered: 0, settled: 0 })
  })
})

describe('limits', () => {
  it('a timeout gives TIMED_OUT and aborts the handler', async () => {
    const { bus, clock } = made()
    const reasons: unknown[] = []
    bus.handle(Double, (_command, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return deferred<number>().promise
    })
    const result = bus.execute(Double(1), { timeoutMs: 50 })
    await clock.advance(49)
    expect(bus.stats().commands.running).toBe(1)
    await clock.advance(1)
    await expect(result).resolves.toMatchObject({
      success: false,
      attempts: 1,
      error: { code: 'TIMED_OUT', message: expect.stringMatching(/'double'.*50 ms/s) },
    })
    expect(reasons).toMatchObject([{ code: 'TIMED_OUT' }])
    expect(clock.pendingTimers).toBe(0)
  })

  it('a timeout that is not needed is cleared', async () => {
    const { bus, clock } = made()
    bus.handle(Double, () => 1)
    await bus.execute(Double(1), { timeoutMs: 60_000 })
    expect(clock.pendingTimers).toBe(0)
  })

  it('an endless timeout sets no timer', async () => {
    const { bus, clock } = made()
    bus.handle(Double, () => 1)
    await bus.execute(Double(1), { timeoutMs: Infinity })
    expect(clock.timersSet).toBe(0)
  })

  it('what a handler returns after its timeout changes nothing', async () => {
    const { bus, clock } = made()
    const gate = deferred<number>()
    bus.handle(Double, () => gate.promise)
    const result = bus.execute(Double(1), { timeoutMs: 5 })
    await clock.advance(5)
    gate.resolve(1)
    await settle()
    await expect(result).resolves.toMatchObject({ success: false })
    expect(bus.stats().commands).toEqual({ running: 0, succeeded: 0, failed: 1 })
  })

  it('a signal gives ABORTED with its reason, and aborts the handler', async () => {
    const { bus } = made()
    const controller = new AbortController()
    let aborted: AbortSignal | undefined
    bus.handle(Double, (_command, { signal }) => {
      aborted = signal
      return deferred<number>().promise
    })
    const result = bus.execute(Double(1), { signal: controller.signal })
    controller.abort('changed my mind')
    await expect(result).resolves.toMatchObject({
      success: false,
      error: { code: 'ABORTED', cause: 'changed my mind' },
    })
    expect(aborted?.aborted).toBe(true)
  })

  it('a signal that is raised already means that the handler is never called', async () => {
    const { bus } = made()
    let called = 0
    bus.handle(Double, () => ++called)
    await expect(bus.execute(Double(1), { signal: AbortSignal.abort() })).resolves.toMatchObject({
      success: false,
      attempts: 0,
      error: { code: 'ABORTED' },
    })
    expect(called).toBe(0)
  })

  it('undefined limits are no limits', async () => {
    const { bus } = made()
    bus.handle(Double, () => 1)
    await expect(bus.execute(Double(1), { signal: undefined, timeoutMs: undefined })).resolves.toMatchObject({
      success: true,
    })
  })

  it('a timeout also ends what the handler waits for', async () => {
    const { bus, clock } = made()
    const Outer = defineCommand<undefined, unknown>('outer')
    const reasons: unknown[] = []
    bus.handle(Double, (_command, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return deferred<number>().promise
    })
    bus.handle(Outer, (_command, context) => context.execute(Double(1)))
    const result = bus.execute(Outer(), { timeoutMs: 10 })
    await clock.advance(10)
    await expect(result).resolves.toMatchObject({ error: { code: 'TIMED_OUT' } })
    expect(reasons).toHaveLength(1)
    expect(bus.stats().commands.running).toBe(0)
  })

  it('the timeout runs while an asynchronous schema answers', async () => {
    const { bus, clock } = made()
    const Slow = defineCommand('slow', { schema: later(digits, deferred().promise), resultSchema: type<number>() })
    bus.handle(Slow, ({ payload }) => payload)
    const result = bus.execute(Slow('1'), { timeoutMs: 10 })
    await clock.advance(10)
    await expect(result).resolves.toMatchObject({ success: false, attempts: 0, error: { code: 'TIMED_OUT' } })
  })
})

describe('retries', () => {
  it('R-REG-2 repeats a failed handler when the plugin says so, with the attempt in the context', async () => {
    const { bus, clock } = made([retrying(100, 3)])
    const attempts: number[] = []
    bus.handle(Double, ({ payload }, { attempt }) => {
      attempts.push(attempt)
      return attempt < 3 ? Promise.reject(new Error('flaky')) : payload * 2
    })
    const result = bus.execute(Double(2))
    await clock.advance(100)
    expect(attempts).toEqual([1, 2])
    await clock.advance(100)
    await expect(result).resolves.toMatchObject({ success: true, value: 4, attempts: 3 })
  })

  it('R-REG-2 fails for good when the plugin says so, and tells how often it ran', async () => {
    const { bus, clock } = made([retrying(10, 2)])
    bus.handle(Fail, () => Promise.reject(new Error('always')))
    const result = bus.execute(Fail('x'))
    await clock.advance(100)
    await expect(result).resolves.toMatchObject({ success: false, attempts: 2, error: { code: 'HANDLER_FAILED' } })
    expect(clock.pendingTimers).toBe(0)
  })

  it('a timeout during the back-off ends it, and nothing runs any more', async () => {
    const { bus, clock } = made([retrying(1000, 5)])
    let runs = 0
    bus.handle(Fail, () => {
      runs++
      throw new Error('always')
    })
    const result = bus.execute(Fail('x'), { timeoutMs: 50 })
    await clock.advance(5000)
    await expect(result).resolves.toMatchObject({ error: { code: 'TIMED_OUT' }, attempts: 1 })
    expect(runs).toBe(1)
    expect(clock.pendingTimers).toBe(0)
  })

  it('R-REG-2 asks the plugin with the name the handler was given', async () => {
    const asked: unknown[] = []
    const { bus } = made([
      {
        name: 'ask',
        install: (host) =>
          host.onFailure(({ handler, attempts, error, message, signal }) => {
            asked.push({ handler, attempts, error, type: message.type, aborted: signal.aborted })
            return { action: 'fail' }
          }),
      },
    ])
    const error = new Error('x')
    bus.handle(Fail, () => Promise.reject(error), { name: 'placer' })
    await bus.execute(Fail('x'))
    expect(asked).toEqual([{ handler: 'placer', attempts: 1, error, type: 'fail', aborted: false }])
  })
})

describe('schemas', () => {
  const Pay = defineCommand('pay', { schema: digits, resultSchema: digits })

  it('gives the handler the output of the schema, and the caller that of the result schema', async () => {
    const { bus } = made()
    const seen: unknown[] = []
    bus.handle(Pay, ({ payload }) => {
      seen.push(payload)
      return `${payload * 2}` as never
    })
    await expect(bus.execute(Pay('21'))).resolves.toMatchObject({ success: true, value: 42 })
    expect(seen).toEqual([21])
  })

  it('a payload that does not fit gives INVALID_PAYLOAD with the issues, and the handler is not called', async () => {
    const { bus } = made()
    bus.handle(Pay, () => expect.unreachable())
    await expect(bus.execute(Pay('much'))).resolves.toMatchObject({
      success: false,
      attempts: 0,
      error: {
        code: 'INVALID_PAYLOAD',
        issues: [{ message: 'not digits' }],
        message: expect.stringContaining('amount.cents: not digits'),
      },
    })
  })

  it('a result that does not fit gives INVALID_RESULT with the issues', async () => {
    const { bus } = made()
    bus.handle(Pay, () => 'nothing' as never)
    await expect(bus.execute(Pay('1'))).resolves.toMatchObject({
      success: false,
      attempts: 1,
      error: { code: 'INVALID_RESULT', issues: [{ message: 'not digits' }] },
    })
  })

  it('may be asynchronous on both sides', async () => {
    const { bus } = made()
    const Slow = defineCommand('slow', { schema: later(digits), resultSchema: later(digits) })
    bus.handle(Slow, ({ payload }) => String(payload + 1) as never)
    await expect(bus.execute(Slow('1'))).resolves.toMatchObject({ success: true, value: 2 })
    await expect(bus.execute(Slow('x'))).resolves.toMatchObject({ error: { code: 'INVALID_PAYLOAD' } })
    bus.handle(Double, () => 1)
  })

  it('a schema that throws, or rejects, gives a failed result', async () => {
    const broken = (validate: () => never): StandardSchema<string, string> => ({
      '~standard': { version: 1, vendor: 'test', validate },
    })
    const cause = new Error('schema bug')
    const throws = broken(() => {
      throw cause
    })
    const rejects = broken(() => Promise.reject(cause) as never)
    const { bus } = made()
    const commands = [
      defineCommand('a', { schema: throws, resultSchema: type<string>() }),
      defineCommand('b', { schema: rejects, resultSchema: type<string>() }),
      defineCommand('c', { schema: type<string>(), resultSchema: throws }),
      defineCommand('d', { schema: type<string>(), resultSchema: rejects }),
    ]
    for (const command of commands) {
      bus.handle(command, () => 'ok')
      const result = await bus.execute(command('x'))
      expect(result).toMatchObject({ success: false, error: { cause } })
      expect(result.success || isBusError(result.error)).toBe(true)
    }
  })

  it('type() checks nothing', async () => {
    const { bus } = made()
    const Loose = defineCommand('loose', { resultSchema: type<{ orderId: string }>() })
    bus.handle(Loose, () => 7 as never)
    await expect(bus.execute(Loose())).resolves.toMatchObject({ success: true, value: 7 })
  })
})

describe('the conversation', () => {
  it('context.execute carries correlation, causation and session on; bus.execute does not', async () => {
    const { bus } = made()
    const seen: Record<string, unknown>[] = []
    bus.handle(Double, ({ correlationId, causationId, sessionId }) => {
      seen.push({ correlationId, causationId, sessionId })
      return 1
    })
    const Outer = defineCommand<undefined, number>('outer')
    bus.handle(Outer, async (_command, context) => {
      await context.execute(Double(1))
      await context.execute(Double(1, { correlationId: 'c', causationId: 'b', sessionId: 's' }))
      return unwrap(await bus.execute(Double(1)))
    })
    const outer = Outer(undefined, { sessionId: 'chat' })
    await bus.execute(outer)
    expect(seen).toEqual([
      { correlationId: outer.id, causationId: outer.id, sessionId: 'chat' },
      { correlationId: 'c', causationId: 'b', sessionId: 's' },
      { correlationId: expect.any(String), causationId: undefined, sessionId: 'BUS' },
    ])
    expect(seen[2]?.['correlationId']).not.toBe(outer.id)
  })

  it('the verbs of the context may be taken out of it', async () => {
    const { bus } = made()
    const heard: string[] = []
    bus.on(Noted, ({ payload }) => void heard.push(payload))
    bus.handle(Double, async ({ payload }, { publish, schedule, publishAndWait, execute }) => {
      await publish(Noted('published'))
      await schedule(Noted('scheduled'), { delayMs: 0 })
      await publishAndWait(Noted('waited'))
      return (await execute(Fail('x'))).attempts + payload
    })
    await bus.start()
    await expect(bus.execute(Double(1))).resolves.toMatchObject({ value: 1 })
    await bus.idle()
  })

  it('a handler executed in a session that is not open works as one of the bus', async () => {
    const { bus } = made()
    bus.handle(Double, ({ sessionId }) => sessionId.length)
    await expect(bus.execute(Double(1, { sessionId: 'four' }))).resolves.toMatchObject({ value: 4 })
  })
})

describe('system events', () => {
  it('R-SYS-1 tell of the start, the success and the failure of a command', async () => {
    const { bus } = made()
    const told: unknown[] = []
    bus.on(CommandStarted, ({ type: name, payload }) => void told.push([name, payload.commandType]))
    bus.on(CommandSucceeded, ({ type: name, payload }) => void told.push([name, payload.commandType, payload.attempts]))
    bus.on(CommandFailed, ({ type: name, payload }) => void told.push([name, payload.commandType, payload.error.code]))
    bus.handle(Double, () => 1)
    bus.handle(Fail, () => Promise.reject(new Error('x')))
    await bus.start()
    await bus.execute(Double(1))
    await bus.execute(Fail('x'))
    await bus.execute(defineCommand('nobody')())
    await bus.idle()
    expect(told).toEqual([
      ['buslane.command.started', 'double'],
      ['buslane.command.succeeded', 'double', 1],
      ['buslane.command.started', 'fail'],
      ['buslane.command.failed', 'fail', 'HANDLER_FAILED'],
      ['buslane.command.failed', 'nobody', 'NO_HANDLER'],
    ])
  })

  it('R-SYS-1 carry the conversation of the command, and its id as cause', async () => {
    const { bus } = made()
    const told: unknown[] = []
    bus.on(CommandSucceeded, ({ correlationId, causationId, sessionId, payload }) => {
      told.push({ correlationId, causationId, sessionId, commandId: payload.commandId })
    })
    bus.handle(Double, () => 1)
    await bus.start()
    const command = Double(1, { correlationId: 'talk', sessionId: 'chat' })
    await bus.execute(command)
    await bus.idle()
    expect(told).toEqual([{ correlationId: 'talk', causationId: command.id, sessionId: 'chat', commandId: command.id }])
  })

  it('R-SYS-1 are built only if somebody listens', async () => {
    const { bus } = made()
    bus.handle(Double, () => 1)
    await bus.start()
    await bus.execute(Double(1))
    await bus.idle()
    expect(bus.stats().system).toEqual({ waiting: 0, running: 0, settled: 0 })
  })
})

describe('commands that execute commands', () => {
  it('R-PUB-3 end with NESTED_WAIT_LIMIT when they go deeper than maxNestedWaits, and print the chain', async () => {
    const Again = defineCommand<{ depth: number }, number>('again')
    const bus = createBus({ maxNestedWaits: 3 })
    let deepest = 0
    const errors: unknown[] = []
    bus.handle(Again, async ({ payload: { depth } }, { execute }) => {
      deepest = depth
      const result = await execute(Again({ depth: depth + 1 }))
      errors.push(...(result.success ? [] : [result.error]))
      return depth
    })
    const result = await bus.execute(Again({ depth: 0 }))
    expect(result.success).toBe(true)
    expect(deepest).toBe(3)
    expect(errors).toEqual([expect.objectContaining({ code: 'NESTED_WAIT_LIMIT', chain: Array(5).fill('again') })])
  })
})

describe('the events about commands', () => {
  it('R-SYS-1 are handled in order, beside the events of the session and not behind them', async () => {
    const Stuck = defineEvent('stuck')
    const Work = defineCommand('work')
    const [gate, slow] = [deferred(), deferred()]
    const bus = createBus()
    const log: string[] = []
    bus.on(Stuck, () => gate.promise)
    bus.on(CommandStarted, () => slow.promise.then(() => log.push('started')))
    bus.on(CommandSucceeded, () => void log.push('succeeded'))
    bus.handle(Work, () => undefined)
    await bus.start()
    await bus.publish(Stuck())
    await bus.publish(Stuck())
    await bus.execute(Work())
    await settle()
    expect(log).toEqual([])
    slow.resolve()
    await settle()
    expect(log).toEqual(['started', 'succeeded'])
    expect(bus.stats()).toMatchObject({ running: 1, waiting: 1 })
    gate.resolve()
    await bus.idle()
  })
})
