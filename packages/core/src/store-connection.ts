import type { Engine } from './engine.ts'
import { describe } from './errors.ts'
import { BUS } from './message.ts'
import type { Persistence } from './persistence.ts'
import { requireContract } from './registry.ts'
import type { StoreHost, StoreRunner } from './store-host.ts'
import { PersistenceDegraded, PersistenceRecovered } from './system-events.ts'

/**
 * Connects a bus with the runner of its store, if it has one.
 *
 * @throws {BusError} `INVALID_ARGUMENT`, `UNSUPPORTED_CONTRACT`
 */
export const connectStore = (
  engine: Engine,
  name: string,
  concurrency: number,
  persistence: Persistence | undefined,
): StoreRunner | undefined => {
  if (persistence === undefined) return undefined
  const { events, deadLetters, eventLog, approvals } = persistence
  if (deadLetters !== undefined) requireContract('persistence.deadLetters', deadLetters, 'dead-letter-store/1')
  if (eventLog !== undefined) requireContract('persistence.eventLog', eventLog, 'event-log/1')
  if (approvals !== undefined) requireContract('persistence.approvals', approvals, 'approval-store/1')
  if (events === undefined) return undefined
  requireContract('persistence.events', events, 'event-store/1', ['run'])
  const { clock, logger, ageingMs, lanes, intake, routing, definitions } = engine
  const host: StoreHost = {
    eventLog,
    observe: (observer) => engine.observers.add(observer),
    name,
    clock,
    logger,
    ageingMs,
    concurrency,
    get slotsFree() {
      return lanes.slotsFree
    },
    after: (delayMs, callback) => engine.timers.after(delayMs, callback),
    cancel: (timer) => engine.timers.cancel(timer),
    *handledTypes() {
      for (const definition of definitions.all()) {
        const { kind, type, system, durable } = definition
        const heard = routing.heard.has(type) || (kind === 'command' && routing.command(type, BUS))
        if (heard && (!system || durable)) yield definition
      }
    },
    definition: (type) => definitions.get(type),
    plan: (type, sessionId) => engine.plan({ type, sessionId, kind: definitions.get(type)?.kind ?? 'event' }),
    hasSessionHandlers: (type) => routing.heardInSessions(type),
    hasSession: (id) => id === BUS || engine.sessions.has(id),
    laneIdle: (key) => lanes.lane(key) === undefined,
    admit: (delivery, key, at) => {
      engine.called()
      delivery.session = engine.session(delivery.message.sessionId)
      intake.admitStored(delivery, key, at)
    },
    admitNested: (delivery) => lanes.runNested(delivery),
    nextOf: ({ lane }) => lane?.queue.peek(),
    waitingBehind: ({ lane }) => lane?.queue ?? [],
    takeBack: (delivery) => {
      intake.remove(delivery, 'settled')
      engine.checkQuiet()
    },
    schedule: (delivery, when) => engine.scheduler.schedule(delivery, when),
    unschedule: (scheduled) => engine.scheduler.cancel(scheduled),
    accepted: ({ message, priority }, dueAt) => {
      if (!engine.observers.any) return
      engine.observers.tell('eventAccepted', message, {
        priority,
        ...(dueAt !== undefined && { dueAt }),
        durability: 'stored',
      })
    },
    buried: (burial) => {
      for (const told of engine.buried) told(burial)
    },
    lost: (delivery, error) => {
      if (delivery.state === 'waiting') {
        intake.remove(delivery, 'settled')
        delivery.waiter?.reject(error)
        engine.checkQuiet()
      } else engine.cut(delivery, 'aborted', error)
    },
    storeChanged: (trouble) => {
      if (trouble) engine.emit(PersistenceDegraded, BUS, { reason: describe(trouble) })
      else engine.emit(PersistenceRecovered, BUS, { reason: 'The store answers again' })
    },
    checkQuiet: () => engine.checkQuiet(),
  }
  const runner = events.run(host)
  routing.changed = () => runner.handlersChanged()
  return runner
}
