import { createHooks } from 'hookable'
import type { Carrier, Handler } from '../handlers.ts'
import type { Rival } from '../side.ts'

/** Handlers in groups are its `callHook`, handlers side by side its `callHookParallel`. */
export const hookable: Rival = {
  name: 'hookable',
  caveat: 'no ids, queue, or order between events; the first error ends the event',
  prepare: async (handlers) => {
    const hooks = createHooks<{ ticked: Handler }>()
    for (const handler of handlers.all) hooks.hook('ticked', handler)
    const call = (event: Carrier): Promise<unknown> | void =>
      handlers.shape.groups === 1 ? hooks.callHookParallel('ticked', event) : hooks.callHook('ticked', event)
    return {
      publish: (n) => call({ payload: { n } }),
      publishAndWait: async (n) => call({ payload: { n } }),
      idle: () => handlers.settled(),
    }
  },
}
