import { type Bus, createBus, defineEvent, type Middleware, type Persistence, type Plugin } from '@buslane/core'
import type { Handlers } from './handlers.ts'
import type { Events } from './side.ts'

const Ticked = defineEvent<{ n: number }>('bench.ticked')

interface BuslaneOptions {
  /** Events go to so many sessions in turn. Default: none, so they share the bus's own lane. */
  readonly sessions?: number | undefined
  readonly middleware?: number | undefined
  readonly plugins?: readonly Plugin[] | undefined
  /** Events are durable, and kept here. */
  readonly persistence?: Persistence | undefined
}

const passThrough: Middleware = {
  event: (_event, _context, next) => next(),
  command: (_command, _context, next) => next(),
}

/** A bus as `createBus()` makes it, with handlers in strict groups. */
const startBus = async (
  handlers: Handlers,
  { middleware = 0, plugins = [], persistence }: BuslaneOptions,
): Promise<Bus> => {
  const bus = createBus({ plugins, persistence })
  for (let count = 0; count < middleware; count++) bus.use({ ...passThrough })
  for (const [index, handler] of handlers.all.entries()) {
    bus.on(Ticked, handler, { name: `handler-${index}`, priority: handlers.groupOf(index) * 10 })
  }
  await bus.start()
  return bus
}

/** Our side: ids, strict groups, lanes, a bounded queue and isolated errors, all as they are by default. */
export const buslane = async (handlers: Handlers, options: BuslaneOptions = {}): Promise<Events> => {
  const bus = await startBus(handlers, options)
  const { sessions = 0, persistence } = options
  const publishOptions = persistence && { durable: true }
  const ids = Array.from({ length: sessions }, (_, index) => ({ sessionId: `session-${index}` }))
  const event = sessions === 0 ? (n: number) => Ticked({ n }) : (n: number) => Ticked({ n }, ids[n % sessions])
  return {
    publish: (n) => bus.publish(event(n), publishOptions),
    publishAndWait: (n) => bus.publishAndWait(event(n)),
    idle: () => bus.idle(),
    close: async () => void (await bus.stop()),
  }
}
