import type { Events, Rival } from '../side.ts'

const limit = (loop: (count: number) => Promise<void>): Events => ({
  publish: () => undefined,
  idle: () => Promise.resolve(),
  loop,
})

/** The limit for handlers that return promises: they are awaited, and nothing else is done. */
export const bareAwaits: Rival = {
  name: 'a bare loop of awaits',
  caveat: 'the limit: no ids, queue, order between callers, or error isolation',
  prepare: async (handlers) => {
    const { groups, all } = handlers
    if (groups.length === all.length) {
      return limit(async (count) => {
        for (let n = 0; n < count; n++) {
          const event = { payload: { n } }
          for (const handler of all) await handler(event)
        }
      })
    }
    return limit(async (count) => {
      for (let n = 0; n < count; n++) {
        const event = { payload: { n } }
        for (const group of groups) await Promise.all(group.map((handler) => handler(event) as Promise<void>))
      }
    })
  },
}

/** The limit for handlers that return nothing: a call. */
export const plainCalls: Rival = {
  name: 'plain calls',
  caveat: 'the limit: no ids, queue or error isolation, and nothing that could be awaited',
  prepare: async ({ all }) =>
    limit(async (count) => {
      for (let n = 0; n < count; n++) {
        const event = { payload: { n } }
        for (const handler of all) void handler(event)
      }
    }),
}
