import type { Engine } from './engine.ts'
import { BUS } from './message.ts'
import { isObservableHandlerRegistry } from './registry.ts'
import type { BusHealth, BusStats, HealthWarning, StoredStats } from './stats.ts'

/** How long the bus's own lane may make an event wait, while slots are free, before health says so. */
const BUS_LANE_PATIENCE_MS = 1000

export const readStats = (engine: Engine, name: string, concurrency: number): BusStats => {
  const { intake, lanes, executing, routing, state, clock } = engine
  let oldest = Infinity
  for (const { at } of lanes.waiting()) oldest = Math.min(oldest, at)
  const queueSize = intake.counts.waiting + intake.system.waiting + intake.stored.waiting
  return {
    name,
    state,
    ...intake.counts,
    queueSize,
    capacity: intake.capacity,
    strategy: intake.strategy,
    buffered: engine.draining ? 0 : queueSize,
    oldestWaitingMs: oldest === Infinity ? 0 : Math.max(0, clock.monotonic() - oldest),
    stored: storedStats(engine),
    system: { ...intake.system },
    scheduled: engine.scheduler.size,
    lanes: { active: lanes.size, running: lanes.running, concurrency },
    commands: { running: executing.running.size, ...executing.counts },
    sessions: engine.sessions.size,
    handlers: isObservableHandlerRegistry(routing.registry) ? routing.registry.getHandlerStats() : undefined,
    handlerFailures: engine.failures.count,
    observerErrors: engine.observers.errors,
    unheardRefusals: engine.unheardRefusals,
    backpressure: intake.level,
  }
}

const storedStats = ({ store, intake }: Engine): StoredStats | undefined => {
  if (!store) return undefined
  const { state, leased, toBeStored, counts } = store.status
  return { store: state, ...intake.stored, leased, toBeStored, ...counts }
}

export const readHealth = ({ intake, lanes, state, clock, store, warnings: more }: Engine): BusHealth => {
  const warnings: HealthWarning[] = []
  const warn = (code: HealthWarning['code'], message: string): void => void warnings.push({ code, message })
  if (intake.level === 'high') {
    warn(
      'BACKPRESSURE',
      `${intake.counts.waiting} of ${intake.capacity} events wait: handlers are slower than publishers`,
    )
  }
  const head = lanes.lane(BUS)?.queue.peek()
  if (state === 'running' && head && lanes.slotsFree > 0 && clock.monotonic() - head.at > BUS_LANE_PATIENCE_MS) {
    warn(
      'BUS_LANE_WAITING',
      `Events without a session wait for each other in the lane '${BUS}' while ${lanes.slotsFree} slots are free. ` +
        'Give independent events lanes of their own: createBus({ lane: (event) => ... })',
    )
  }
  const trouble = store?.status.trouble
  if (trouble) warn('PERSISTENCE_DEGRADED', trouble.message)
  const refused = store?.status.refused
  if (refused) warn('PERSISTENCE_REFUSES', refused)
  for (const note of store?.status.notes ?? []) warn('UNHANDLED', note)
  for (const read of more) warnings.push(...read())
  if (state === 'created' && intake.waiting > 0) warn('NOT_STARTED', `${intake.waiting} events wait for start()`)
  return { status: warnings.length > 0 ? 'degraded' : 'healthy', state, warnings }
}
