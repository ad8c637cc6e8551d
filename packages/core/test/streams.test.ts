import { describe, expect, it } from 'vitest'
import { type Bus, createBus, defineCommand, defineEvent } from '../src/index.ts'
import { failureOf } from './support/failure.ts'
import { digits } from './support/schemas.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { settle } from './support/virtual-clock.ts'

const Tick = defineEvent<number>('tick')

const running = async (): Promise<Bus> => {
  const bus = createBus({ logger: recordingLogger() })
  await bus.start()
  return bus
}
const handlers = (bus: Bus): number => bus.stats().handlers!.eventHandlers
const nothing = (): void => undefined

describe('bus.next', () => {
  it('rejects on a stopped bus with BUS_STOPPED', async () => {
    const bus = await running()
    await bus.stop()
    await expect(bus.next(Tick)).rejects.toMatchObject({ code: 'BUS_STOPPED' })
  })

  it('resolves with the next event, and listens no longer', async () => {
    const bus = await running()
    const next = bus.next(Tick)
    expect(handlers(bus)).toBe(1)
    await bus.publish(Tick(1))
    await bus.publish(Tick(2))
    await expect(next).resolves.toMatchObject({ payload: 1 })
    expect(handlers(bus)).toBe(0)
  })

  it('passes over what the predicate refuses', async () => {
    const bus = await running()
    const next = bus.next(Tick, ({ payload }) => payload > 2)
    for (const n of [1, 2, 3, 4]) await bus.publish(Tick(n))
    await expect(next).resolves.toMatchObject({ payload: 3 })
  })

  it('gives the output of the schema', async () => {
    const bus = await running()
    const Amount = defineEvent('amount', { schema: digits })
    const next = bus.next(Amount, ({ payload }) => payload === 42)
    await bus.publish(Amount('42'))
    await expect(next).resolves.toMatchObject({ payload: 42 })
  })

  it('rejects when the predicate throws, which fails no handler', async () => {
    const bus = await running()
    const error = new Error('odd')
    const next = bus.next(Tick, () => {
      throw error
    })
    const refused = failureOf(next)
    const outcome = await bus.publishAndWait(Tick(1))
    expect(await refused).toBe(error)
    expect(outcome.failed).toBe(0)
    expect(handlers(bus)).toBe(0)
  })

  it('ends with its signal', async () => {
    const bus = await running()
    const controller = new AbortController()
    const next = bus.next(Tick, undefined, { signal: controller.signal })
    controller.abort('enough')
    await expect(next).rejects.toMatchObject({ code: 'ABORTED', cause: 'enough' })
    expect(handlers(bus)).toBe(0)
    await expect(bus.next(Tick, undefined, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(handlers(bus)).toBe(0)
  })

  it('ends with the bus', async () => {
    const bus = await running()
    const refused = failureOf(bus.next(Tick))
    await bus.stop()
    expect(await refused).toMatchObject({ code: 'BUS_STOPPED' })
    expect(handlers(bus)).toBe(0)
  })

  it('many wait for one event', async () => {
    const bus = await running()
    const all = Promise.all([bus.next(Tick), bus.next(Tick), bus.next(Tick)])
    await bus.publish(Tick(1))
    expect((await all).map(({ payload }) => payload)).toEqual([1, 1, 1])
  })

  it('refuses what is no event definition', async () => {
    const bus = await running()
    await expect(bus.next(defineCommand('do') as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('bus.events', () => {
  it('gives every event from the call on, in order, also those that come before they are asked for', async () => {
    const bus = await running()
    await bus.publishAndWait(Tick(0))
    const stream = bus.events(Tick)
    for (const n of [1, 2, 3]) await bus.publishAndWait(Tick(n))
    const seen: number[] = []
    for await (const { payload } of stream) {
      seen.push(payload)
      await (payload === 3 ? bus.publish(Tick(4)) : undefined)
      await (payload === 4 ? bus.stop() : undefined)
    }
    expect(seen).toEqual([1, 2, 3, 4])
  })

  it('leaving the loop listens no longer', async () => {
    const bus = await running()
    const stream = bus.events(Tick)
    await bus.publishAndWait(Tick(1))
    expect(handlers(bus)).toBe(1)
    for await (const { payload } of stream) {
      expect(payload).toBe(1)
      break
    }
    expect(handlers(bus)).toBe(0)
    await expect(stream.next()).resolves.toEqual({ done: true, value: undefined })
  })

  it('a loop that throws listens no longer', async () => {
    const bus = await running()
    const stream = bus.events(Tick)
    await bus.publishAndWait(Tick(1))
    const loop = async (): Promise<void> => {
      for await (const _event of stream) throw new Error('reader')
    }
    await expect(loop()).rejects.toThrow('reader')
    expect(handlers(bus)).toBe(0)
  })

  it('ends with its signal, without an error', async () => {
    const bus = await running()
    const controller = new AbortController()
    const seen: number[] = []
    const loop = (async () => {
      for await (const { payload } of bus.events(Tick, { signal: controller.signal })) seen.push(payload)
    })()
    await bus.publishAndWait(Tick(1))
    await settle()
    controller.abort()
    await loop
    expect(seen).toEqual([1])
    expect(handlers(bus)).toBe(0)
  })

  it('with a signal that is raised already ends at once', async () => {
    const bus = await running()
    for await (const _event of bus.events(Tick, { signal: AbortSignal.abort() })) expect.unreachable()
    expect(handlers(bus)).toBe(0)
  })

  it('ends with the bus, after what it still holds', async () => {
    const bus = await running()
    const stream = bus.events(Tick)
    await bus.publishAndWait(Tick(1))
    await bus.publishAndWait(Tick(2))
    await bus.stop()
    const seen: number[] = []
    for await (const { payload } of stream) seen.push(payload)
    expect(seen).toEqual([1, 2])
  })

  it('answers several readers that wait at once in turn', async () => {
    const bus = await running()
    const stream = bus.events(Tick)
    const reads = Promise.all([stream.next(), stream.next(), stream.next()])
    await bus.publish(Tick(1))
    await bus.publish(Tick(2))
    await bus.idle()
    await stream.return?.()
    expect(
      (await reads).map(({ done, value }) => [done, (value as { payload?: number } | undefined)?.payload]),
    ).toEqual([
      [false, 1],
      [false, 2],
      [true, undefined],
    ])
  })

  it('fails with STREAM_OVERFLOW when the reader is 10,000 events behind, and holds up nobody', async () => {
    const bus = await running()
    const stream = bus.events(Tick)
    for (let n = 0; n < 10_001; n++) void bus.publish(Tick(n))
    await bus.idle()
    expect(handlers(bus)).toBe(0)
    const read = async (): Promise<void> => {
      for await (const _event of stream) nothing()
    }
    await expect(read()).rejects.toMatchObject({ code: 'STREAM_OVERFLOW', message: expect.stringContaining("'tick'") })
  })

  it('10,000 events behind is still fine', async () => {
    const bus = await running()
    const stream = bus.events(Tick)
    for (let n = 0; n < 10_000; n++) void bus.publish(Tick(n))
    await bus.idle()
    await bus.stop()
    let count = 0
    for await (const _event of stream) count++
    expect(count).toBe(10_000)
  })

  it('await using ends it', async () => {
    const bus = await running()
    {
      await using _stream = bus.events(Tick)
      expect(handlers(bus)).toBe(1)
    }
    expect(handlers(bus)).toBe(0)
  })

  it('a slow reader holds up no handler', async () => {
    const bus = await running()
    const stream = bus.events(Tick)
    let handled = 0
    bus.on(Tick, () => void handled++)
    for (let n = 0; n < 100; n++) await bus.publish(Tick(n))
    await bus.idle()
    expect(handled).toBe(100)
    await stream.return?.()
  })
})
