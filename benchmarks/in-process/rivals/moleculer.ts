import { ServiceBroker } from 'moleculer'
import type { Carrier } from '../handlers.ts'
import type { Rival } from '../side.ts'

const startBroker = (): ServiceBroker => new ServiceBroker({ logger: false })

/** One service per handler: each is a group of its own, so each hears of every event. */
export const moleculerEvents: Rival = {
  name: 'moleculer emit',
  caveat: 'no queue, priorities, or order; a failure is logged and forgotten',
  prepare: async (handlers) => {
    const broker = startBroker()
    for (const [index, handler] of handlers.all.entries()) {
      broker.createService({
        name: `service-${index}`,
        events: { ticked: { handler: (context: { params: Carrier }) => handler(context.params) } },
      })
    }
    await broker.start()
    const publish = (n: number): Promise<unknown> => broker.emit('ticked', { payload: { n } })
    return { publish, publishAndWait: publish, idle: () => handlers.settled(), close: () => broker.stop() }
  },
}

/** Calls an action: what it has for commands. */
export const moleculerCalls = async (): Promise<(n: number) => Promise<number>> => {
  const broker = startBroker()
  broker.createService({
    name: 'adder',
    actions: { add: { handler: async (context: { params: { n: number } }) => context.params.n + 1 } },
  })
  await broker.start()
  return (n) => broker.call<number, { n: number }>('adder.add', { n })
}
