import Emittery from 'emittery'
import type { Carrier } from '../handlers.ts'
import type { Rival } from '../side.ts'

/** Handlers in groups are its `emitSerial`, handlers side by side its `emit`. */
export const emittery: Rival = {
  name: 'emittery',
  caveat: 'no ids, queue, or order between events; with emitSerial the first error ends the event',
  prepare: async (handlers) => {
    const emitter = new Emittery<{ ticked: Carrier }>()
    for (const handler of handlers.all) emitter.on('ticked', ({ data }) => handler(data))
    const publish =
      handlers.shape.groups === 1
        ? (n: number) => emitter.emit('ticked', { payload: { n } })
        : (n: number) => emitter.emitSerial('ticked', { payload: { n } })
    return { publish, publishAndWait: publish, idle: () => handlers.settled() }
  },
}
