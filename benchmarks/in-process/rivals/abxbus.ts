import { BaseEvent, EventBus } from 'abxbus'
import { z } from 'zod'
import type { Rival } from '../side.ts'

const Ticked = BaseEvent.extend('BenchTicked', { payload: z.object({ n: z.number() }) })

/** It keeps completed events unless told not to; a burst would be refused when its history of 100 is full. */
export const abxbus: Rival = {
  name: 'abxbus',
  caveat: 'no priorities; it parses every event with zod and keeps the result of every handler',
  prepare: async (handlers) => {
    const bus = new EventBus('Bench', { max_history_size: 0 })
    for (const [index, handler] of handlers.all.entries()) {
      bus.on(Ticked, (event) => handler(event), { handler_name: `handler-${index}` })
    }
    const publish = (n: number) => bus.emit(Ticked({ payload: { n } }))
    return {
      publish,
      publishAndWait: (n) => publish(n).now(),
      idle: async () => void (await bus.waitUntilIdle()),
      close: async () => bus.destroy(),
    }
  },
}
