import mitt from 'mitt'
import type { Carrier } from '../handlers.ts'
import type { Rival } from '../side.ts'

// Its types are those of a CommonJS module, what Node loads is an ES module.
const createEmitter = mitt as unknown as typeof mitt.default

export const mittEmitter: Rival = {
  name: 'mitt',
  caveat:
    'no ids, queue or priorities; waits for no promise; a throw stops the other handlers and reaches the publisher',
  prepare: async (handlers) => {
    const emitter = createEmitter<{ ticked: Carrier }>()
    for (const handler of handlers.all) emitter.on('ticked', (event) => void handler(event))
    return {
      publish: (n) => emitter.emit('ticked', { payload: { n } }),
      idle: () => handlers.settled(),
    }
  },
}
