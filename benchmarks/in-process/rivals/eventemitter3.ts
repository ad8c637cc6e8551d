import { EventEmitter } from 'eventemitter3'
import type { Rival } from '../side.ts'

export const eventemitter3: Rival = {
  name: 'eventemitter3',
  caveat:
    'no ids, queue or priorities; waits for no promise; a throw stops the other handlers and reaches the publisher',
  prepare: async (handlers) => {
    const emitter = new EventEmitter()
    for (const handler of handlers.all) emitter.on('ticked', (event) => void handler(event))
    return {
      publish: (n) => emitter.emit('ticked', { payload: { n } }),
      idle: () => handlers.settled(),
    }
  },
}
