import { describe, expect, it } from 'vitest'
import {
  BUS,
  type Bus,
  createBus,
  defineCommand,
  defineEvent,
  SessionEnded,
  SessionStarted,
  unwrap,
} from '../src/index.ts'
import { baseRegistry } from './support/base-registry.ts'
import { deferred } from './support/deferred.ts'
import { failureOf } from './support/failure.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { anything, later } from './support/schemas.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Said = defineEvent<string>('said')
const Other = defineEvent<string>('other')
const Ask = defineCommand<string, string>('ask')

const running = async (): Promise<{ bus: Bus; clock: VirtualClock; heard: string[] }> => {
  const clock = new VirtualClock()
  const bus = createBus({ clock, logger: recordingLogger() })
  const heard: string[] = []
  bus.on(SessionStarted, ({ payload }) => void heard.push(`started ${payload.sessionId}`))
  bus.on(SessionEnded, ({ payload }) => void heard.push(`ended ${payload.sessionId}`))
  await bus.start()
  return { bus, clock, heard }
}

describe('what a session owns', () => {
  it('R-SES-1 its handlers hear only its own events, those of the bus hear all', async () => {
    const { bus } = await running()
    const heard: string[] = []
    const [a, b] = [bus.session('a'), bus.session('b')]
    a.on(Said, ({ payload }) => void heard.push(`a: ${payload}`))
    b.on(Said, ({ payload }) => void heard.push(`b: ${payload}`))
    bus.on(Said, ({ payload, sessionId }) => void heard.push(`bus: ${payload} from ${sessionId}`))
    await a.publish(Said('hi'))
    await b.publish(Said('ho'))
    await bus.publish(Said('hu'))
    await bus.idle()
    expect(heard.toSorted()).toEqual(['a: hi', 'b: ho', 'bus: hi from a', 'bus: ho from b', 'bus: hu from BUS'])
  })

  it('R-SES-1 what is published, scheduled and executed through it belongs to it', async () => {
    const { bus, clock } = await running()
    const seen: string[] = []
    const session = bus.session('chat')
    bus.on(Said, ({ payload, sessionId }, context) => void seen.push(`${payload}: ${sessionId} ${context.sessionId}`))
    bus.handle(Ask, ({ sessionId }) => sessionId)
    await session.publish(Said('publish'))
    await session.publishAndWait(Said('wait'))
    await session.schedule(Said('schedule'), { delayMs: 5 })
    await clock.advance(5)
    expect(seen).toEqual(['publish: chat chat', 'wait: chat chat', 'schedule: chat chat'])
    expect(unwrap(await session.execute(Ask('?')))).toBe('chat')
  })

  it('R-SES-1 a message that names another session keeps it', async () => {
    const { bus } = await running()
    const seen: string[] = []
    bus.on(Said, ({ sessionId }) => void seen.push(sessionId))
    await bus.session('chat').publishAndWait(Said('x', { sessionId: 'elsewhere' }))
    expect(seen).toEqual(['elsewhere'])
  })

  it('R-SES-1 a message that was read from JSON belongs to it as well', async () => {
    const { bus } = await running()
    const seen: string[] = []
    bus.on(Said, ({ sessionId, payload }) => void seen.push(`${sessionId} ${payload}`))
    await bus.session('chat').publishAndWait(JSON.parse(JSON.stringify(Said('from afar'))))
    expect(seen).toEqual(['chat from afar'])
  })

  it('R-SES-1 its command handler shadows that of the bus, until it is removed', async () => {
    const { bus } = await running()
    const session = bus.session('chat')
    bus.handle(Ask, () => 'bus')
    const own = session.handle(Ask, () => 'session')
    expect(unwrap(await session.execute(Ask('?')))).toBe('session')
    expect(unwrap(await bus.execute(Ask('?')))).toBe('bus')
    own.remove()
    expect(unwrap(await session.execute(Ask('?')))).toBe('bus')
  })

  it('R-SES-1 its command handler calls that of the bus only if it asks for it', async () => {
    const { bus } = await running()
    const session = bus.session('chat')
    bus.handle(Ask, ({ payload }) => `bus ${payload}`)
    session.handle(Ask, async ({ payload }) => `session (${unwrap(await bus.execute(Ask(payload)))})`)
    expect(unwrap(await session.execute(Ask('?')))).toBe('session (bus ?)')
  })

  it('R-SYS-1 announces its start and its end, with the error it ended for', async () => {
    const { bus } = await running()
    const ended: unknown[] = []
    bus.on(SessionEnded, ({ payload, sessionId }) => void ended.push({ ...payload, of: sessionId }))
    await bus.session('plain').end()
    await bus.session('failed').end({ error: new RangeError('too far') })
    await bus.idle()
    expect(ended).toEqual([
      { sessionId: 'plain', of: 'plain' },
      {
        sessionId: 'failed',
        of: 'failed',
        error: { name: 'RangeError', message: 'too far', stack: expect.any(String) },
      },
    ])
  })

  it('R-SES-1 ends, and so does the bus, if the registry fails to forget it', async () => {
    const logger = recordingLogger()
    const registry = Object.assign(baseRegistry(), {
      unregisterSession: (): never => {
        throw new Error('no')
      },
    })
    const bus = createBus({ logger, registry })
    await bus.start()
    await bus.session('one').end()
    const two = bus.session('two')
    await expect(bus.stop()).resolves.toMatchObject({ left: [] })
    expect([bus.state, bus.getSession('one'), two.signal.aborted]).toEqual(['stopped', undefined, true])
    expect(logger.lines.filter(({ message }) => message.includes('failed to forget'))).toHaveLength(2)
  })

  it('R-ERR-5 a refused publish that nobody awaits is counted, and logged once per code', async () => {
    const logger = recordingLogger()
    const bus = createBus({ logger })
    const session = bus.session('chat')
    void session.publish(Said('x'), { priority: Number.NaN })
    await settle()
    await session.end()
    void session.publish(Said('x'))
    void session.schedule(Said('x'), { delayMs: 1 })
    await settle()
    expect(bus.stats().unheardRefusals).toBe(3)
    expect(logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(2)
  })

  it('R-PUB-1 its publish accepts before the call returns', () => {
    const bus = createBus()
    void bus.session('chat').publish(Said('x'))
    expect(bus.stats().waiting).toBe(1)
  })
})

describe('ending', () => {
  it('R-SES-1 lets accepted events finish, then removes handlers, aborts the signal, and publishes SessionEnded last', async () => {
    const { bus, heard } = await running()
    const gate = deferred()
    const session = bus.session('chat')
    session.on(Said, async ({ payload }) => {
      await gate.promise
      heard.push(payload)
    })
    session.signal.addEventListener('abort', () => heard.push('signal'))
    await session.publish(Said('one'))
    await session.publish(Said('two'))
    const end = session.end()
    await settle()
    expect(session.signal.aborted).toBe(false)
    gate.resolve()
    await end
    await bus.idle()
    expect(heard).toEqual(['started chat', 'one', 'two', 'signal', 'ended chat'])
    await bus.publishAndWait(Said('late', { sessionId: 'chat' }))
    expect(heard).not.toContain('late')
    expect(session.signal.reason).toMatchObject({ code: 'SESSION_ENDED' })
    expect(bus.stats()).toMatchObject({ sessions: 0, handlers: { eventHandlers: 2 } })
  })

  it('R-SES-1 waits for its commands', async () => {
    const { bus } = await running()
    const gate = deferred()
    const session = bus.session('chat')
    session.handle(Ask, async () => {
      await gate.promise
      return 'done'
    })
    const result = session.execute(Ask('?'))
    let ended = false
    const end = session.end().then(() => (ended = true))
    await settle()
    expect(ended).toBe(false)
    gate.resolve()
    await end
    await expect(result).resolves.toMatchObject({ success: true, value: 'done' })
  })

  it('R-SES-1 does not wait for other sessions', async () => {
    const { bus } = await running()
    const gate = deferred()
    bus.on(Other, () => gate.promise)
    await bus.session('busy').publish(Other('x'))
    await bus.publish(Other('x'))
    await bus.session('idle').end()
    expect(bus.stats().running).toBe(2)
    gate.resolve()
    await bus.idle()
  })

  it('R-SES-1 lets what its finishing handlers publish finish too', async () => {
    const { bus, heard } = await running()
    const gate = deferred()
    const session = bus.session('chat')
    session.on(Said, async ({ payload }, context) => {
      await gate.promise
      await context.publish(Other(`${payload} again`))
      await session.publish(Other(`${payload} once more`))
    })
    session.on(Other, ({ payload }) => void heard.push(payload))
    await session.publish(Said('said'))
    await settle()
    const end = session.end()
    gate.resolve()
    await end
    await bus.idle()
    expect(heard).toEqual(['started chat', 'said again', 'said once more', 'ended chat'])
  })

  it('R-SES-1 with abort, aborts what runs, drops what waits, and counts it', async () => {
    const { bus } = await running()
    const reasons: unknown[] = []
    const session = bus.session('chat')
    session.on(Said, (_event, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return deferred().promise
    })
    session.handle(Ask, (_command, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return deferred<string>().promise
    })
    const runs = session.publishAndWait(Said('runs'))
    await settle()
    const waits = failureOf(session.publishAndWait(Said('waits')))
    const result = session.execute(Ask('?'))
    await session.end({ abort: true })
    expect(await waits).toMatchObject({ code: 'SESSION_ENDED' })
    const { handlers } = await runs
    expect(handlers).toMatchObject([{ status: 'aborted', error: { code: 'SESSION_ENDED' } }])
    await expect(result).resolves.toMatchObject({ success: false, error: { code: 'SESSION_ENDED' } })
    expect(reasons).toMatchObject([{ code: 'SESSION_ENDED' }, { code: 'SESSION_ENDED' }])
    expect(bus.stats()).toMatchObject({ offered: 2, settled: 1, dropped: 1, running: 0, waiting: 0 })
  })

  it('R-SES-1 with abort, leaves other sessions alone', async () => {
    const { bus } = await running()
    const gate = deferred()
    bus.on(Said, () => gate.promise)
    const other = bus.session('other').publishAndWait(Said('x'))
    const waiting = bus.session('third').publishAndWait(Said('x'))
    const session = bus.session('chat')
    await session.publish(Said('x'))
    await session.end({ abort: true })
    gate.resolve()
    await expect(other).resolves.toMatchObject({ failed: 0 })
    await expect(waiting).resolves.toMatchObject({ failed: 0 })
  })

  it('R-SES-1 can still be aborted while it ends', async () => {
    const { bus } = await running()
    const session = bus.session('chat')
    session.on(Said, () => deferred().promise)
    const outcome = session.publishAndWait(Said('x'))
    await settle()
    const gentle = session.end()
    await settle()
    await session.end({ abort: true })
    await gentle
    await expect(outcome).resolves.toMatchObject({ handlers: [{ status: 'aborted' }] })
  })

  it('R-SES-1 cancels its schedules, or detaches them to the handlers of the bus', async () => {
    const { bus, clock } = await running()
    const heard: string[] = []
    bus.on(Said, ({ payload }) => void heard.push(`bus ${payload}`))
    const [cancels, detaches] = [bus.session('a'), bus.session('b')]
    detaches.on(Said, ({ payload }) => void heard.push(`session ${payload}`))
    const cancelled = await cancels.schedule(Said('cancelled'), { delayMs: 10 })
    await detaches.schedule(Said('detached'), { delayMs: 10 })
    await cancels.end()
    await detaches.end({ schedules: 'detach' })
    expect(bus.stats().scheduled).toBe(1)
    expect(await cancelled.cancel()).toBe('cancelled')
    await clock.advance(10)
    expect(heard).toEqual(['bus detached'])
  })

  it('R-SES-1 cancels what a finishing handler schedules while it ends', async () => {
    const { bus, clock, heard } = await running()
    const gate = deferred()
    bus.on(Other, ({ payload }) => void heard.push(payload))
    const session = bus.session('chat')
    session.on(Said, async (_event, context) => {
      await gate.promise
      await context.schedule(Other('after the end'), { delayMs: 100 })
    })
    await session.publish(Said('x'))
    await settle()
    const end = session.end()
    gate.resolve()
    await end
    expect(bus.stats().scheduled).toBe(0)
    await clock.advance(1000)
    expect(heard).toEqual(['started chat', 'ended chat'])
  })

  it('R-SES-1 takes nothing in after SessionEnded, not even what an asynchronous schema held up', async () => {
    const { bus, heard } = await running()
    const answer = deferred()
    const Slow = defineEvent('slow', { schema: later(anything<string>(), answer.promise) })
    bus.on(Slow, ({ payload }) => void heard.push(payload))
    const session = bus.session('chat')
    const publish = session.publish(Slow('x')).catch(() => 'refused')
    const end = session.end()
    await settle()
    answer.resolve()
    await Promise.all([publish, end])
    await bus.idle()
    expect(heard.at(-1)).toBe('ended chat')
  })

  it('R-PUB-4 inside one of its handlers does not wait for that handler', async () => {
    const { bus, heard } = await running()
    const session = bus.session('chat')
    session.on(Said, async () => {
      await session.end()
      heard.push('handler goes on')
    })
    await session.publishAndWait(Said('x'))
    await bus.idle()
    expect(heard).toEqual(['started chat', 'handler goes on', 'ended chat'])
  })

  it('R-PUB-4 inside one of its handlers does not wait for publishers that wait for room behind that handler', async () => {
    const bus = createBus({ queue: { capacity: 1 } })
    const log: string[] = []
    const gate = deferred()
    await bus.start()
    const session = bus.session('chat')
    bus.on(Said, async ({ payload }) => {
      await (payload === 'ends' ? gate.promise.then(() => session.end()) : undefined)
      log.push(payload)
    })
    void session.publish(Said('ends'))
    await settle()
    const publishes = Promise.allSettled(['waits', 'blocked', 'blocked too'].map((text) => session.publish(Said(text))))
    await settle()
    expect(bus.stats()).toMatchObject({ waiting: 1, blocked: 2 })
    gate.resolve()
    await publishes
    await bus.idle()
    expect(log.slice(0, 2)).toEqual(['ends', 'waits'])
    expect(bus.stats()).toMatchObject({ sessions: 0, blocked: 0, waiting: 0 })
  })

  it('R-SES-1 with abort inside a handler, aborts others but not that handler, nor those that wait for it', async () => {
    const { bus } = await running()
    const session = bus.session('chat')
    session.on(Said, async (_event, context) => (await context.publishAndWait(Other('x'))).handlers[0])
    session.on(Other, async () => {
      await session.end({ abort: true })
      return 'ended'
    })
    const { handlers } = await session.publishAndWait(Said('x'))
    expect(handlers).toMatchObject([{ status: 'fulfilled', value: { status: 'fulfilled', value: 'ended' } }])
  })

  it('R-STOP-1 stop ends live sessions', async () => {
    const { bus, heard } = await running()
    const [a, b] = [bus.session('a'), bus.session('b')]
    await bus.stop()
    expect(a.signal.aborted).toBe(true)
    expect(b.signal.aborted).toBe(true)
    expect(heard.toSorted()).toEqual(['ended a', 'ended b', 'started a', 'started b'])
    expect(bus.stats().sessions).toBe(0)
  })

  it('await using ends a session', async () => {
    const { bus } = await running()
    let signal: AbortSignal
    {
      await using session = bus.session('chat')
      ;({ signal } = session)
      expect(signal.aborted).toBe(false)
    }
    expect(signal.aborted).toBe(true)
    expect(bus.getSession('chat')).toBeUndefined()
  })
})

describe('rules of use', () => {
  it('R-SES-2 every use of an ended session is a typed error, and execute gives a failed result', async () => {
    const { bus } = await running()
    const session = bus.session('chat')
    await session.end()
    const ended = { code: 'SESSION_ENDED', message: expect.stringContaining("'chat'") }
    expect(() => session.on(Said, () => undefined)).toThrow(expect.objectContaining(ended))
    expect(() => session.handle(Ask, () => '')).toThrow(expect.objectContaining(ended))
    await expect(session.publish(Said('x'))).rejects.toMatchObject(ended)
    await expect(session.publishAndWait(Said('x'))).rejects.toMatchObject(ended)
    await expect(session.schedule(Said('x'), { delayMs: 1 })).rejects.toMatchObject(ended)
    await expect(session.execute(Ask('x'))).resolves.toMatchObject({ success: false, attempts: 0, error: ended })
    expect(bus.stats().scheduled).toBe(0)
  })

  it('R-SES-2 execute of an ended session never rejects, whatever it is given', async () => {
    const { bus } = await running()
    const session = bus.session('chat')
    await session.end()
    await expect(session.execute(undefined as never)).resolves.toMatchObject({ success: false })
  })

  it('R-SES-1 while it ends, outside use is refused, through the session and through the bus', async () => {
    const { bus } = await running()
    const gate = deferred()
    const session = bus.session('chat')
    session.on(Said, () => gate.promise)
    await session.publish(Said('x'))
    const end = session.end()
    await settle()
    await expect(session.publish(Said('x'))).rejects.toMatchObject({ code: 'SESSION_ENDED' })
    await expect(bus.publish(Said('x', { sessionId: 'chat' }))).rejects.toMatchObject({ code: 'SESSION_ENDED' })
    await expect(bus.execute(Ask('x', { sessionId: 'chat' }))).resolves.toMatchObject({ success: false })
    gate.resolve()
    await end
  })

  it('R-SES-2 ending twice, also at once, ends it once', async () => {
    const { bus, heard } = await running()
    const session = bus.session('chat')
    await bus.idle()
    await Promise.all([session.end(), session.end({ abort: true }), session.end()])
    await session.end()
    await session[Symbol.asyncDispose]()
    await bus.idle()
    expect(heard).toEqual(['started chat', 'ended chat'])
  })

  it('R-SES-2 a second session of one id is refused while the first lives, and getSession finds that one', async () => {
    const { bus } = await running()
    expect(bus.getSession('chat')).toBeUndefined()
    const first = bus.session('chat')
    expect(bus.getSession('chat')).toBe(first)
    expect(() => bus.session('chat')).toThrow(expect.objectContaining({ code: 'SESSION_EXISTS' }))
    await first.end()
    const second = bus.session('chat')
    expect(bus.getSession('chat')).toBe(second)
    expect(second.signal.aborted).toBe(false)
  })

  it('R-SES-2 a session that was opened again has none of the handlers of the first', async () => {
    const { bus } = await running()
    const heard: string[] = []
    const first = bus.session('chat')
    const early = first.on(Said, () => void heard.push('first'))
    first.handle(Ask, () => 'first')
    await first.end()
    const second = bus.session('chat')
    second.on(Said, () => void heard.push('second'))
    second.handle(Ask, () => 'second')
    early.remove()
    await second.publishAndWait(Said('x'))
    expect(heard).toEqual(['second'])
    expect(unwrap(await second.execute(Ask('?')))).toBe('second')
    await expect(first.publish(Said('x'))).rejects.toMatchObject({ code: 'SESSION_ENDED' })
  })

  it.each([BUS, ''])('R-SES-2 %j cannot be opened', async (id) => {
    const { bus } = await running()
    expect(() => bus.session(id)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it('R-SES-2 a session id must be a string', async () => {
    const { bus } = await running()
    expect(() => bus.session(7 as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it('R-PUB-5 a stopped bus opens no session', async () => {
    const { bus } = await running()
    await bus.stop()
    expect(() => bus.session('chat')).toThrow(expect.objectContaining({ code: 'BUS_STOPPED' }))
  })

  it('works before start: its events wait in the buffer, and end waits for them', async () => {
    const bus = createBus()
    const heard: string[] = []
    const session = bus.session('chat')
    session.on(Said, ({ payload }) => void heard.push(payload))
    await session.publish(Said('early'))
    const end = session.end()
    await bus.start()
    await end
    expect(heard).toEqual(['early'])
    await bus.stop()
  })

  it('R-LANE-2 a thousand sessions leave nothing behind', async () => {
    const { bus } = await running()
    for (let n = 0; n < 1000; n++) {
      await using session = bus.session(`chat-${n}`)
      session.on(Said, () => undefined)
      session.handle(Ask, () => '')
      await session.publish(Said('x'))
    }
    await bus.idle()
    expect(bus.stats()).toMatchObject({
      sessions: 0,
      lanes: { active: 0, running: 0 },
      handlers: { eventHandlers: 2, commandHandlers: 0 },
    })
  })
})
