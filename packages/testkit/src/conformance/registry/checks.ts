import { BUS } from '@buslane/core'
import type { CheckFacts } from '../check.ts'
import { expectEqual, expectTrue } from '../expect.ts'
import type { RegistryExtension } from './harness.ts'
import { namesOf, type RegistrySubject, SESSION } from './subject.ts'

/** One thing that every registry must do, or every registry with one of the extensions. */
export interface RegistryCheck extends CheckFacts {
  readonly needs: readonly RegistryExtension[]
  run(subject: RegistrySubject): void
}

const base: readonly RegistryCheck[] = [
  {
    id: 'REG-01',
    title: 'says which contract it keeps, and has no handler at first',
    rules: ['R-REG-4'],
    needs: [],
    run: (subject) => {
      expectEqual('the contract', subject.registry.contract, 'handler-registry/1')
      expectEqual('the event handlers', subject.handlers(SESSION), [])
      expectEqual('the command handler', subject.command(SESSION), undefined)
    },
  },
  {
    id: 'REG-02',
    title: 'gives the event handlers of a type, and of no other, in registration order',
    rules: ['R-PRI-2'],
    needs: [],
    run: (subject) => {
      for (const name of ['c', 'a', 'b']) subject.on(name)
      subject.on('other', { type: 'order.placed.again' })
      expectEqual('the handlers', subject.handlers(), ['c', 'a', 'b'])
    },
  },
  {
    id: 'REG-03',
    title:
      'gives handlers of the bus to every session, and those of a session to that session only, by registration order',
    rules: ['R-PRI-2', 'R-SES-1'],
    needs: [],
    run: (subject) => {
      subject.on('mine 1', { sessionId: SESSION })
      subject.on('ours')
      subject.on('mine 2', { sessionId: SESSION })
      subject.on('theirs', { sessionId: 'another' })
      expectEqual('the handlers of the session', subject.handlers(SESSION), ['mine 1', 'ours', 'mine 2'])
      expectEqual('the handlers of the bus', subject.handlers(BUS), ['ours'])
      expectEqual('the handlers of a session without any', subject.handlers('third'), ['ours'])
    },
  },
  {
    id: 'REG-04',
    title: 'gives a function that was registered twice twice',
    rules: ['R-PRI-2'],
    needs: [],
    run: (subject) => {
      const handler = (): void => undefined
      subject.on('twice', { handler })
      subject.on('twice', { handler })
      expectEqual('the handlers', subject.handlers(), ['twice', 'twice'])
    },
  },
  {
    id: 'REG-05',
    title: "gives a session's own command handler, else that of the bus",
    rules: ['R-SES-1'],
    needs: [],
    run: (subject) => {
      subject.handle('ours')
      subject.handle('mine', { sessionId: SESSION })
      subject.handle('unrelated', { type: 'order.cancel' })
      expectEqual('the handler in the session', subject.command(SESSION), 'mine')
      expectEqual('the handler elsewhere', subject.command('another'), 'ours')
      expectEqual('the handler of the bus', subject.command(BUS), 'ours')
      expectEqual('the handler of another type', subject.command(SESSION, 'order.ship'), undefined)
    },
  },
  {
    id: 'REG-06',
    title: 'refuses a second command handler in one scope, and keeps the first',
    rules: ['R-ERR-4'],
    needs: [],
    run: (subject) => {
      for (const sessionId of [BUS, SESSION]) {
        subject.handle('first', { sessionId })
        let refused = false
        try {
          subject.handle('second', { sessionId })
        } catch {
          refused = true
        }
        expectTrue(`the second one of ${sessionId} is refused`, refused)
        expectEqual(`the handler of ${sessionId}`, subject.command(sessionId), 'first')
      }
    },
  },
  {
    id: 'REG-07',
    title: 'forgets all handlers of a session that ends, and no others; its id can be used again',
    rules: ['R-SES-1', 'R-SES-2'],
    needs: [],
    run: (subject) => {
      subject.on('ours')
      subject.handle('ours')
      for (const sessionId of [SESSION, 'another']) {
        subject.on(`of ${sessionId}`, { sessionId })
        subject.handle(`of ${sessionId}`, { sessionId })
      }
      subject.registry.unregisterSession(SESSION)
      subject.registry.unregisterSession('never opened')
      expectEqual('the event handlers of the session', subject.handlers(SESSION), ['ours'])
      expectEqual('its command handler', subject.command(SESSION), 'ours')
      expectEqual('the event handlers of another', subject.handlers('another'), ['ours', 'of another'])
      expectEqual('its command handler', subject.command('another'), 'of another')
      subject.on('again', { sessionId: SESSION })
      expectEqual('the event handlers after it is opened again', subject.handlers(SESSION), ['ours', 'again'])
    },
  },
]

const priorities: readonly RegistryCheck[] = [
  {
    id: 'REG-11',
    title: 'gives entries by ascending priority, then registration order, whatever the scope',
    rules: ['R-PRI-1', 'R-PRI-2'],
    needs: ['priorities'],
    run: (subject) => {
      subject.on('last', { priority: 100 })
      subject.on('mine', { priority: 50, sessionId: SESSION })
      subject.on('ours', { priority: 50 })
      subject.on('between', { priority: 50.5, sessionId: SESSION })
      subject.on('first', { priority: -1e9 })
      expectEqual('the order', namesOf(subject.entries(SESSION)), ['first', 'mine', 'ours', 'between', 'last'])
    },
  },
  {
    id: 'REG-12',
    title: 'gives each entry its function, name, priority and options as registered',
    rules: ['R-REG-2'],
    needs: ['priorities'],
    run: (subject) => {
      const registered = subject.on('ship', { priority: 10 })
      const [entry] = subject.entries()
      expectTrue('the function is the same', entry?.handler === registered.handler)
      expectTrue('the options are the same', entry?.options === registered.options)
      expectEqual('name and priority', [entry?.name, entry?.priority], ['ship', 10])
    },
  },
  {
    id: 'REG-13',
    title: 'never changes an array that it has given',
    rules: ['R-PRI-3'],
    needs: ['priorities'],
    run: (subject) => {
      subject.on('first')
      subject.on('mine', { sessionId: SESSION })
      const before = subject.entries(SESSION)
      subject.on('later', { priority: 0 })
      subject.registry.unregisterSession(SESSION)
      expectEqual('what was given before', namesOf(before), ['first', 'mine'])
      expectEqual('what is given now', namesOf(subject.entries(SESSION)), ['later', 'first'])
    },
  },
]

const removal: readonly RegistryCheck[] = [
  {
    id: 'REG-21',
    title: 'forgets the one registration that it is given, by identity',
    rules: ['R-REG-1'],
    needs: ['removal'],
    run: (subject) => {
      const handler = (): void => undefined
      const first = subject.on('twice', { handler })
      subject.on('twice', { handler })
      subject.on('mine', { sessionId: SESSION })
      subject.removable.unregister({ ...first })
      expectEqual('the handlers after a copy was given', subject.handlers(SESSION), ['twice', 'twice', 'mine'])
      subject.removable.unregister(first)
      expectEqual('the handlers', subject.handlers(SESSION), ['twice', 'mine'])
    },
  },
  {
    id: 'REG-22',
    title: 'does nothing when what it is to forget is gone already',
    rules: ['R-REG-1'],
    needs: ['removal'],
    run: (subject) => {
      const gone = subject.on('gone', { sessionId: SESSION })
      subject.on('ours')
      subject.registry.unregisterSession(SESSION)
      subject.removable.unregister(gone)
      subject.removable.unregister(gone)
      expectEqual('the handlers', subject.handlers(SESSION), ['ours'])
    },
  },
  {
    id: 'REG-23',
    title: 'takes another command handler once the first is removed',
    rules: ['R-ERR-4'],
    needs: ['removal'],
    run: (subject) => {
      const first = subject.handle('first')
      subject.removable.unregister(first)
      expectEqual('the handler', subject.command(), undefined)
      subject.handle('second')
      subject.removable.unregister(first)
      expectEqual('the handler after the first is removed again', subject.command(), 'second')
    },
  },
]

const patterns: readonly RegistryCheck[] = [
  {
    id: 'REG-31',
    title: '`*` stands for one segment, `**` for any number, also none; system events match nothing',
    rules: ['R-PRI-2'],
    needs: ['patterns'],
    run: (subject) => {
      for (const type of ['order.*', 'order.**', '**.placed', '*', '**', 'a.*.c']) subject.on(type, { type })
      expectEqual('of order.placed', subject.patterns('order.placed'), ['order.*', 'order.**', '**.placed', '**'])
      expectEqual('of order', subject.patterns('order'), ['order.**', '*', '**'])
      expectEqual('of order.placed.late', subject.patterns('order.placed.late'), ['order.**', '**'])
      expectEqual('of orders.placed', subject.patterns('orders.placed'), ['**.placed', '**'])
      expectEqual('of a.b.c', subject.patterns('a.b.c'), ['**', 'a.*.c'])
      expectEqual('of a system event', subject.patterns('buslane.session.started'), [])
    },
  },
  {
    id: 'REG-32',
    title:
      'gives pattern handlers by priority and scope, apart from those of the type, and forgets them with their session',
    rules: ['R-PRI-2', 'R-SES-1'],
    needs: ['patterns'],
    run: (subject) => {
      subject.on('late', { type: 'order.*', priority: 90 })
      subject.on('mine', { type: '**', priority: 10, sessionId: SESSION })
      subject.on('typed')
      expectEqual('of the session', subject.patterns('order.placed', SESSION), ['mine', 'late'])
      expectEqual('of the bus', subject.patterns('order.placed'), ['late'])
      expectEqual('those of the type', subject.handlers(SESSION), ['typed'])
      subject.registry.unregisterSession(SESSION)
      expectEqual('after the session', subject.patterns('order.placed', SESSION), ['late'])
    },
  },
]

const changes: readonly RegistryCheck[] = [
  {
    id: 'REG-41',
    title: 'counts its handlers, of every scope',
    rules: ['R-REG-1'],
    needs: ['changes'],
    run: (subject) => {
      subject.on('ours')
      subject.on('mine', { sessionId: SESSION })
      subject.handle('ours')
      subject.handle('mine', { sessionId: SESSION })
      const { commandHandlers, eventHandlers } = subject.observable.getHandlerStats()
      expectEqual('the counts', { commandHandlers, eventHandlers }, { commandHandlers: 2, eventHandlers: 2 })
      subject.registry.unregisterSession(SESSION)
      const after = subject.observable.getHandlerStats()
      expectEqual('the counts after the session', [after.commandHandlers, after.eventHandlers], [1, 1])
    },
  },
  {
    id: 'REG-42',
    title: 'tells of every change, of the right session or of an unknown one, until it is told to stop',
    rules: ['R-REG-1'],
    needs: ['changes'],
    run: (subject) => {
      const told: (string | undefined)[] = []
      const listening = subject.observable.onChange((change) => told.push(change?.sessionId))
      const after = (change: () => void, sessionId: string): void => {
        told.length = 0
        change()
        expectTrue(`it tells of a change of ${sessionId}`, told.includes(sessionId) || told.includes(undefined))
      }
      after(() => subject.on('ours'), BUS)
      after(() => subject.handle('ours'), BUS)
      after(() => subject.on('mine', { sessionId: SESSION }), SESSION)
      after(() => subject.registry.unregisterSession(SESSION), SESSION)
      listening[Symbol.dispose]()
      told.length = 0
      subject.on('later')
      expectEqual('what it tells after that', told, [])
    },
  },
  {
    id: 'REG-43',
    title: 'tells when a handler is removed',
    rules: ['R-REG-1'],
    needs: ['changes', 'removal'],
    run: (subject) => {
      const registration = subject.on('ours')
      let told = 0
      using _listening = subject.observable.onChange(() => (told += 1))
      subject.removable.unregister(registration)
      expectTrue('it tells', told > 0)
      expectEqual('the counts', subject.observable.getHandlerStats().eventHandlers, 0)
    },
  },
]

/** Every check of a registry: the base API, then each extension. */
export const registryChecks: readonly RegistryCheck[] = [...base, ...priorities, ...removal, ...patterns, ...changes]
