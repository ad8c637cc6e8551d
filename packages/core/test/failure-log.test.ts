import assert from 'node:assert'
import { describe, expect, it } from 'vitest'
import {
  type BusOptions,
  CommandFailed,
  defineCommand,
  defineEvent,
  EventHandlerFailed,
  type EventMessage,
  type HandlerFacts,
  type HandlerOutcome,
} from '../src/index.ts'
import { deferred } from './support/deferred.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { quietBus, runningBus } from './support/quiet-bus.ts'
import { retrying } from './support/retry.ts'
import { unhandledDuring } from './support/unhandled.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Placed = defineEvent<string>('placed')
const Other = defineEvent<string>('other')
const Dead = defineEvent<string>('dead', { failureEvent: true })
const Do = defineCommand<string, string>('do')

const setUp = async (options: BusOptions = {}) => {
  const clock = new VirtualClock()
  const logger = recordingLogger()
  const bus = await runningBus({ clock, logger, ...options })
  const fail = async ({ payload }: EventMessage<string>): Promise<never> => {
    throw new Error(payload)
  }
  return { bus, clock, logger, fail }
}

const messagesOf = (errors: readonly { readonly error: unknown }[]): readonly string[] =>
  errors.map(({ error }) => (error as Error).message)

describe('R-ERR-5 publishes that fail while nobody awaits them', () => {
  it('are logged once a minute per code, with their number', async () => {
    const { bus, clock, logger } = await setUp({ queue: { capacity: 1, strategy: 'reject' } })
    const gate = deferred()
    bus.on(Placed, () => gate.promise)
    const refuse = async (): Promise<void> => {
      for (let n = 0; n < 1000; n++) void bus.publish(Placed('a'))
      await settle()
    }
    await refuse()
    void bus.publish(null as never)
    await clock.advance(60_000)
    await refuse()
    gate.resolve()
    await bus.stop()
    const lines = logger.lines.filter(({ message }) => message.includes('nobody awaits it'))
    expect(lines.map(({ level }) => level)).toEqual(['warn', 'warn', 'warn', 'warn'])
    expect(lines.filter(({ message }) => /\d{3,} more/.test(message))).toHaveLength(2)
    expect(bus.stats().unheardRefusals).toBeGreaterThan(1990)
  })
})

describe('a logger', () => {
  it.each([
    ['throws', () => assert.fail('the disk is full')],
    ['rejects', async () => Promise.reject(new Error('the disk is full'))],
  ])('that %s harms nothing', async (_how, write) => {
    const unhandled = await unhandledDuring(async () => {
      const logger = { debug: write, info: write, warn: write, error: write }
      const { bus, fail } = await setUp({ logger })
      bus.on(Placed, fail)
      const outcome = await bus.publishAndWait(Placed('a'))
      expect(outcome.failed).toBe(1)
      await bus.stop()
    })
    expect(unhandled).toEqual([])
  })
})

describe('the error history', () => {
  it('R-ERR-2 keeps final failures, newest last, with what failed and on what', async () => {
    const { bus, clock, fail } = await setUp()
    bus.on(Placed, fail, { name: 'biller', priority: 10 })
    const event = Placed('first')

    await bus.publishAndWait(event)
    await bus.publishAndWait(Placed('second'))

    expect(messagesOf(bus.errors)).toEqual(['first', 'second'])
    expect(bus.errors[0]).toEqual({
      message: event,
      handler: 'biller',
      priority: 10,
      error: new Error('first'),
      attempts: 1,
      failedAt: clock.now(),
    })
  })

  it.each([
    ['a symbol', Symbol('s')],
    ['no text', Object.create(null)],
  ])('R-ERR-2 keeps an error whose message is %s, and its lane and stop() go on', async (_what, message) => {
    const { bus } = await setUp()
    const error = Object.assign(new Error('x'), { message })
    const fail = async (): Promise<never> => Promise.reject(error)
    bus.on(Placed, fail)
    bus.handle(Do, fail)

    await bus.publishAndWait(Placed('a'))
    const outcome = await bus.publishAndWait(Placed('b'))
    const result = await bus.execute(Do('c'))

    expect(outcome.handlers).toMatchObject([{ status: 'rejected', error }])
    expect(result).toMatchObject({ success: false, error: { code: 'HANDLER_FAILED', cause: error } })
    expect(bus.errors).toHaveLength(2)
    await expect(bus.stop()).resolves.toMatchObject({ finished: 0, left: [] })
  })

  it('R-ERR-2 keeps a failure once, when its retries are used up', async () => {
    const { bus, clock, fail } = await setUp({ plugins: [retrying(3, 10)] })
    bus.on(Placed, fail)
    void bus.publish(Placed('a'))

    await clock.advance(19)
    expect(bus.errors).toEqual([])
    await clock.advance(1)

    expect(bus.errors).toMatchObject([{ attempts: 3 }])
    expect(bus.stats().handlerFailures).toBe(1)
  })

  it('R-ERR-2 keeps nothing of a handler that succeeds in the end', async () => {
    const { bus, clock } = await setUp({ plugins: [retrying(3, 10)] })
    bus.on(Placed, (_event, { attempt }) => (attempt === 1 ? Promise.reject(new Error('first')) : 'fine'))
    void bus.publish(Placed('a'))
    await clock.advance(100)

    expect(bus.errors).toEqual([])
  })

  it('R-ERR-2 drops the oldest beyond its limit, and still counts them all', async () => {
    const { bus, fail } = await setUp({ errorHistoryLimit: 2 })
    bus.on(Placed, fail)
    for (const payload of ['a', 'b', 'c']) await bus.publishAndWait(Placed(payload))

    expect(messagesOf(bus.errors)).toEqual(['b', 'c'])
    expect(bus.stats().handlerFailures).toBe(3)
  })

  it('R-ERR-2 keeps them newest last, however often it was full, and when the limit changes', async () => {
    const { bus, fail } = await setUp({ errorHistoryLimit: 3 })
    bus.on(Placed, fail)
    for (let index = 0; index < 8; index++) await bus.publishAndWait(Placed(String(index)))
    expect(messagesOf(bus.errors)).toEqual(['5', '6', '7'])

    bus.setErrorHistoryLimit(2)
    expect(messagesOf(bus.errors)).toEqual(['6', '7'])
    await bus.publishAndWait(Placed('8'))

    expect(messagesOf(bus.errors)).toEqual(['7', '8'])
  })

  it('R-ERR-2 keeps 1,000 by default', async () => {
    const { bus, fail } = await setUp()
    bus.on(Placed, fail)
    for (let index = 0; index < 1001; index++) void bus.publish(Placed(String(index)))
    await bus.idle()

    expect(bus.errors).toHaveLength(1000)
    expect(messagesOf(bus.errors)[0]).toBe('1')
  })

  it('R-ERR-2 clears and keeps none with a limit of 0, and keeps again with another', async () => {
    const { bus, fail } = await setUp()
    bus.on(Placed, fail)
    await bus.publishAndWait(Placed('a'))

    bus.setErrorHistoryLimit(0)
    await bus.publishAndWait(Placed('b'))
    expect(bus.errors).toEqual([])
    bus.setErrorHistoryLimit(Infinity)
    await bus.publishAndWait(Placed('c'))

    expect(messagesOf(bus.errors)).toEqual(['c'])
  })

  it('R-ERR-2 lets older ones go when the limit is lowered', async () => {
    const { bus, fail } = await setUp()
    bus.on(Placed, fail)
    for (const payload of ['a', 'b', 'c']) await bus.publishAndWait(Placed(payload))

    bus.setErrorHistoryLimit(1)

    expect(messagesOf(bus.errors)).toEqual(['c'])
  })

  it.each([-1, 1.5, NaN, '3'])('R-ERR-2 refuses the limit %s', (limit) => {
    const bus = quietBus()

    expect(() => bus.setErrorHistoryLimit(limit as never)).toThrow(/whole number/)
    expect(() => quietBus({ errorHistoryLimit: limit as never })).toThrow(/whole number/)
  })

  it('R-ERR-2 gives a copy that later failures do not change', async () => {
    const { bus, fail } = await setUp()
    bus.on(Placed, fail)
    const before = bus.errors

    await bus.publishAndWait(Placed('a'))

    expect(before).toEqual([])
  })
})

describe('telling of failures', () => {
  it('R-ERR-2 announces a final failure as an event, in the conversation and the session of its cause', async () => {
    const { bus, fail } = await setUp()
    const announced: EventMessage[] = []
    bus.on(EventHandlerFailed, (event) => void announced.push(event))
    bus.on(Placed, fail, { name: 'biller', priority: 10 })
    const session = bus.session('s')
    const event = Placed('no money', { sessionId: 's' })
    await session.publish(event)
    await bus.idle()

    expect(announced).toMatchObject([
      {
        sessionId: 's',
        correlationId: event.id,
        causationId: event.id,
        payload: {
          eventId: event.id,
          eventType: 'placed',
          handler: 'biller',
          priority: 10,
          attempts: 1,
          error: { name: 'Error', message: 'no money' },
        },
      },
    ])
    expect(JSON.parse(JSON.stringify(announced[0]))).toMatchObject({ payload: { error: { message: 'no money' } } })
  })

  it('R-ERR-2 announces once for all attempts, and not at all if one succeeds', async () => {
    const { bus, clock, fail } = await setUp({ plugins: [retrying(2, 10)] })
    const announced: string[] = []
    bus.on(EventHandlerFailed, ({ payload }) => void announced.push(payload.eventType))
    bus.on(Placed, fail)
    bus.on(Other, (_event, { attempt }) => (attempt === 1 ? Promise.reject(new Error('first')) : 'fine'))
    void bus.publish(Placed('a'))
    void bus.publish(Other('b'))

    await clock.advance(100)

    expect(announced).toEqual(['placed'])
  })

  it('R-ERR-2 tells observers of every attempt with the name of the handler, and of how it ended', async () => {
    const { bus, clock, fail } = await setUp({ plugins: [retrying(2, 10)] })
    const attempts: (HandlerFacts & { readonly retryInMs?: number })[] = []
    const outcomes: HandlerOutcome[] = []
    bus.observe({
      attemptFailed: (_event, handler, { retryInMs }) =>
        void attempts.push({ ...handler, ...(retryInMs !== undefined && { retryInMs }) }),
      handlerSettled: (_event, outcome) => void outcomes.push(outcome),
    })
    bus.on(Placed, fail, { name: 'biller' })
    void bus.publish(Placed('a'))
    await clock.advance(10)

    expect(attempts).toEqual([
      { name: 'biller', priority: 50, attempt: 1, retryInMs: 10 },
      { name: 'biller', priority: 50, attempt: 2 },
    ])
    expect(outcomes).toMatchObject([{ name: 'biller', status: 'rejected', attempts: 2, error: new Error('a') }])
  })

  it('R-ERR-2 announces what is no Error as plain data', async () => {
    const { bus } = await setUp()
    const errors: unknown[] = []
    bus.on(EventHandlerFailed, ({ payload }) => void errors.push(payload.error))
    const unreadable = {
      toString: () => {
        throw new Error('unreadable')
      },
    }
    const thrown: unknown[] = [
      'text',
      undefined,
      null,
      unreadable,
      Object.assign(new Error('coded'), { code: 'E_CODE' }),
    ]
    // oxlint-disable-next-line prefer-promise-reject-errors -- handlers may reject with anything
    bus.on(Placed, ({ payload }) => Promise.reject(thrown[Number(payload)]))
    for (const index of thrown.keys()) void bus.publish(Placed(String(index)))
    await bus.idle()

    expect(errors).toMatchObject([
      { message: 'text' },
      { message: 'undefined' },
      { message: 'null' },
      { name: 'unknown' },
      { message: 'coded', code: 'E_CODE' },
    ])
  })
})

describe('failures of failure events', () => {
  it('C-55 fault 8: a failing handler of the failure event does not loop', async () => {
    const { bus, fail } = await setUp()
    let calls = 0
    bus.on(EventHandlerFailed, () => {
      // It gives up after a while, so that a bus that loops fails here instead of hanging.
      return ++calls < 50 ? Promise.reject(new Error('and the handler of the failure too')) : undefined
    })
    bus.on(Placed, fail)
    void bus.publish(Placed('a'))
    await bus.idle()
    await settle()

    expect(calls).toBe(1)
    expect(messagesOf(bus.errors)).toEqual(['a', 'and the handler of the failure too'])
  })

  it('R-ERR-3 announces no failure of a handler of a failure event of one’s own, a dead letter say', async () => {
    const { bus, fail } = await setUp()
    const announced: string[] = []
    bus.on(EventHandlerFailed, ({ payload }) => void announced.push(payload.eventType))
    bus.on(Dead, fail)
    await bus.publishAndWait(Dead('a'))
    await bus.idle()

    expect(announced).toEqual([])
    expect(messagesOf(bus.errors)).toEqual(['a'])
  })

  it('R-ERR-3 announces no failure of what such a handler waits for, at any depth', async () => {
    const { bus, fail } = await setUp()
    const announced: string[] = []
    bus.on(EventHandlerFailed, async ({ payload }, { publishAndWait }) => {
      announced.push(payload.eventType)
      await (announced.length < 50 && publishAndWait(Other('nested')))
    })
    bus.on(Other, async (_event, { publishAndWait }) => (await publishAndWait(Placed('deep'))).throwIfFailed())
    bus.on(Placed, fail)
    void bus.publish(Placed('a'))
    await bus.idle()

    expect(announced).toEqual(['placed'])
    expect(bus.errors).toHaveLength(3)
  })

  it('R-ERR-3 announces no failed command of a handler of CommandFailed', async () => {
    const { bus } = await setUp()
    let calls = 0
    bus.on(CommandFailed, async (_event, { execute }) => {
      await (++calls < 50 && execute(Do('again')))
    })

    await bus.execute(Do('unknown'))
    await bus.idle()

    expect(calls).toBe(1)
    expect(bus.stats().commands.failed).toBe(2)
  })
})

describe('the log', () => {
  const errorsIn = ({ lines }: ReturnType<typeof recordingLogger>): readonly string[] =>
    lines.filter(({ level }) => level === 'error').map(({ message }) => message)

  it('R-ERR-5 logs a repeated failure of one handler once a minute, with its count', async () => {
    const { bus, clock, logger, fail } = await setUp()
    bus.on(Placed, fail, { name: 'biller' })
    for (let second = 0; second <= 60; second++) {
      await bus.publishAndWait(Placed('no money'))
      await clock.advance(1000)
    }

    expect(errorsIn(logger)).toEqual([
      "Handler biller of 'placed' failed: no money",
      expect.stringMatching(/^Handler biller of 'placed' failed: no money.*\b59\b/),
    ])
  })

  it('R-ERR-5 logs different handlers apart, also of one type, and one handler of two types', async () => {
    const { bus, logger, fail } = await setUp()
    bus.on(Placed, fail, { name: 'one' })
    bus.on(Placed, fail, { name: 'two' })
    bus.on(Other, fail, { name: 'one' })
    await bus.publishAndWait(Placed('a'))
    await bus.publishAndWait(Other('b'))

    expect(errorsIn(logger)).toHaveLength(3)
  })

  it('R-ERR-5 logs two handlers without names apart', async () => {
    const { bus, logger } = await setUp()
    bus.on(Placed, () => Promise.reject(new Error('the first')))
    bus.on(Placed, () => Promise.reject(new Error('the second')))
    await bus.publishAndWait(Placed('a'))

    expect(errorsIn(logger)).toEqual([expect.stringContaining('the first'), expect.stringContaining('the second')])
  })

  it('R-ERR-5 logs once a minute also while a thousand other handlers fail', async () => {
    const { bus, logger, fail } = await setUp()
    bus.on(Other, fail, { name: 'repeats' })
    await bus.publishAndWait(Other('a'))
    for (let index = 0; index < 1100; index++) {
      bus.on(Placed, fail, { name: `handler ${index}` })
    }
    await bus.publishAndWait(Placed('b'))
    await bus.publishAndWait(Other('c'))

    expect(errorsIn(logger).filter((line) => line.includes('repeats'))).toHaveLength(1)
  })

  it('R-ERR-5 says at stop what was held back', async () => {
    const { bus, logger, fail } = await setUp()
    bus.on(Placed, fail, { name: 'biller' })
    for (const payload of ['a', 'b', 'c']) await bus.publishAndWait(Placed(payload))
    await bus.stop()

    expect(errorsIn(logger)).toEqual([
      expect.stringContaining(': a'),
      expect.stringMatching(/biller of 'placed' failed 2 more/),
    ])
  })

  it('R-ERR-5 logs no failure that a retry made good', async () => {
    const { bus, clock, logger } = await setUp({ plugins: [retrying(2, 10)] })
    bus.on(Placed, (_event, { attempt }) => (attempt === 1 ? Promise.reject(new Error('first')) : 'fine'))
    void bus.publish(Placed('a'))
    await clock.advance(10)

    expect(logger.lines).toEqual([])
  })
})

describe('failures and the rest of the bus', () => {
  it('R-ERR-1 goes on with everything else after a failure', async () => {
    const { bus, fail } = await setUp()
    const log: string[] = []
    const gate = deferred()
    bus.on(Placed, fail, { priority: 1 })
    bus.on(Placed, () => gate.promise.then(() => log.push('sibling')), { priority: 1 })
    bus.on(Placed, () => void log.push('next'), { priority: 2 })
    bus.on(Other, () => void log.push('other'))
    void bus.publish(Placed('a'))
    void bus.publish(Other('b'))
    await settle()
    gate.resolve()
    await bus.idle()

    expect(log).toEqual(['sibling', 'next', 'other'])
    expect(bus.state).toBe('running')
  })

  it('R-ERR-1 survives 10,000 failures in a row', async () => {
    const { bus, fail } = await setUp({ queue: { capacity: Infinity } })
    bus.on(Placed, fail)
    for (let index = 0; index < 10_000; index++) void bus.publish(Placed('a'))
    await bus.idle()

    expect(bus.stats()).toMatchObject({ handlerFailures: 10_000, settled: 10_000, running: 0 })
  })
})
