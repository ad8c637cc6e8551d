import type { Contender } from '../harness/rounds.ts'
import type { Handlers } from './handlers.ts'

/** Events as one side publishes them. */
export interface Events {
  /** Publishes without waiting for handlers. */
  publish(n: number): unknown
  /** Resolves when all that was published is handled. */
  idle(): Promise<void>
  /** Publishes, and resolves when its handlers have settled. Absent where a side cannot. */
  publishAndWait?(n: number): Promise<unknown>
  /** A limit is a loop of its own: whatever it is published with. */
  loop?(count: number): Promise<void>
  close?(): Promise<void>
}

/** Somebody else's events: a limit that no bus can pass, or what people use today. */
export interface Rival {
  readonly name: string
  /** What it does not do. */
  readonly caveat: string
  prepare(handlers: Handlers): Promise<Events>
}

/**
 * `drain`: a thousand publishes, then a wait until they are handled. `await`: each publish is awaited, which says that the
 * event is accepted. `wait`: each event is handled before the next is published.
 */
export type Verb = 'drain' | 'await' | 'wait'

type Loop = (events: Events, handlers: Handlers, count: number) => Promise<void>

const BURST = 1000

const loops: Readonly<Record<Verb, Loop>> = {
  drain: async (events, handlers, count) => {
    for (let n = 0; n < count;) {
      const end = Math.min(count, n + BURST)
      // Burst by burst: sides that cannot tell when they are idle wait for the calls that are expected.
      handlers.expect(end - n)
      for (; n < end; n++) void events.publish(n)
      await events.idle()
    }
  },
  await: async (events, handlers, count) => {
    handlers.expect(count)
    for (let n = 0; n < count; n++) await events.publish(n)
    await events.idle()
  },
  wait: async (events, handlers, count) => {
    handlers.expect(count)
    for (let n = 0; n < count; n++) await events.publishAndWait!(n)
  },
}

const ownLoop: Loop = async (events, handlers, count) => {
  handlers.expect(count)
  await events.loop!(count)
}

/** A side of a duel: publishes in the way of `verb`, and checks that every handler was called once per event. */
export const contender = (events: Events, handlers: Handlers, verb: Verb): Contender => {
  const loop = events.loop === undefined ? loops[verb] : ownLoop
  return {
    run: async (count) => {
      await loop(events, handlers, count)
      handlers.check()
    },
    close: async () => events.close?.(),
  }
}
