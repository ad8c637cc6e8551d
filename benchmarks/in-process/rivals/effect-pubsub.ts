import { Effect, PubSub, Stream } from 'effect'
import type { Carrier } from '../handlers.ts'
import type { Rival } from '../side.ts'

/** One subscriber per handler, each a stream with a fiber of its own, as its documentation broadcasts events. */
export const effectPubSub: Rival = {
  name: 'Effect PubSub',
  caveat:
    'no ids or priorities; subscribers do not wait for each other, publishers not for subscribers; an error ends its subscriber',
  prepare: async (handlers) => {
    const pubsub = await Effect.runPromise(PubSub.unbounded<Carrier>())
    for (const handler of handlers.all) {
      const handle =
        handlers.shape.style === 'async'
          ? (event: Carrier) => Effect.promise(async () => handler(event))
          : (event: Carrier) => Effect.sync(() => void handler(event))
      Effect.runFork(Stream.fromPubSub(pubsub).pipe(Stream.runForEach(handle)))
    }
    await new Promise((resolve) => setTimeout(resolve, 20)) // the fibers subscribe
    return {
      publish: (n) => PubSub.publishUnsafe(pubsub, { payload: { n } }),
      idle: () => handlers.settled(),
      close: () => Effect.runPromise(PubSub.shutdown(pubsub)),
    }
  },
}
