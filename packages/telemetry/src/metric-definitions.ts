/** What kind of instrument a metric has. The observable ones are read when somebody asks. */
type MetricType = 'histogram' | 'observable-counter' | 'observable-up-down-counter' | 'observable-gauge'

/** One metric; `docs/telemetry-metrics.md` says the same for people, and a test compares the two with what the SDK got. */
export interface MetricDefinition {
  readonly name: string
  readonly type: MetricType
  readonly unit: string
  readonly description: string
}

type Definitions<Name extends string> = Readonly<Record<Name, MetricDefinition>>

const of =
  (type: MetricType) =>
  (name: string, unit: string, description: string): MetricDefinition => ({ name, type, unit, description })

const histogram = of('histogram')
const observableCounter = of('observable-counter')
const upDown = of('observable-up-down-counter')
const gauge = of('observable-gauge')

/** Measured as events pass. */
export const MEASURED: Definitions<'operation' | 'process' | 'critical' | 'handler' | 'command'> = {
  operation: histogram(
    'messaging.client.operation.duration',
    's',
    'Duration of publishing: from the call to acceptance',
  ),
  process: histogram(
    'messaging.process.duration',
    's',
    'Duration of handling an event: from its first group to its last',
  ),
  critical: histogram(
    'buslane.event.critical_time',
    's',
    'Time from acceptance, or the due time, of an event until it is handled',
  ),
  handler: histogram('buslane.handler.duration', 's', 'Duration of a handler of an event, retries included'),
  command: histogram(
    'buslane.command.duration',
    's',
    'Duration of a command: from the call of its handler to its result',
  ),
}

/** Counted as events pass, and read when asked. */
export const COUNTED: Definitions<'sent' | 'consumed' | 'retries'> = {
  sent: observableCounter(
    'messaging.client.sent.messages',
    '{message}',
    'Events that were accepted, or refused with an error',
  ),
  consumed: observableCounter('messaging.client.consumed.messages', '{message}', 'Events whose handling began'),
  retries: observableCounter(
    'buslane.retries',
    '{retry}',
    'Failed attempts of handlers and commands that are tried again',
  ),
}

/** Read from `stats()`. */
export const READ: Definitions<
  | 'queueSize'
  | 'queueCapacity'
  | 'oldestAge'
  | 'buffered'
  | 'blocked'
  | 'dropped'
  | 'rejected'
  | 'filtered'
  | 'running'
  | 'scheduled'
  | 'lanesActive'
  | 'lanesRunning'
  | 'commandsRunning'
  | 'handlers'
  | 'handlerFailures'
  | 'sessions'
  | 'observerErrors'
> = {
  queueSize: upDown('buslane.queue.size', '{event}', 'Events that wait to be handled'),
  queueCapacity: upDown('buslane.queue.capacity', '{event}', 'How many in-memory events may wait'),
  oldestAge: gauge('buslane.queue.oldest_age', 's', 'How long the event that was accepted first has waited'),
  buffered: upDown('buslane.queue.buffered', '{event}', 'Events that wait because the bus has not started'),
  blocked: upDown('buslane.queue.blocked', '{publisher}', 'Publishers that wait for room'),
  dropped: observableCounter(
    'buslane.queue.dropped',
    '{event}',
    'In-memory events dropped by the strategy, or with their session',
  ),
  rejected: observableCounter('buslane.queue.rejected', '{event}', 'In-memory events that were refused with an error'),
  filtered: observableCounter(
    'buslane.queue.filtered',
    '{event}',
    'In-memory events that a filter or middleware turned away',
  ),
  running: upDown('buslane.events.running', '{event}', 'Events at work'),
  scheduled: upDown('buslane.events.scheduled', '{event}', 'Events that wait in memory for their time'),
  lanesActive: upDown('buslane.lanes.active', '{lane}', 'Lanes with an event that waits or runs'),
  lanesRunning: upDown('buslane.lanes.running', '{lane}', 'Lanes with an event that runs'),
  commandsRunning: upDown('buslane.commands.running', '{command}', 'Commands at work'),
  handlers: upDown('buslane.handlers.registered', '{handler}', 'Handlers that are registered'),
  handlerFailures: observableCounter('buslane.handlers.failed', '{failure}', 'Handlers of events that failed for good'),
  sessions: upDown('buslane.sessions.active', '{session}', 'Sessions that are open'),
  observerErrors: observableCounter('buslane.observers.failed', '{error}', 'Errors of observers, telemetry included'),
}

/** Read from `stats().stored`: there with a store only. */
export const STORE_READ: Definitions<
  'up' | 'leases' | 'lost' | 'takeovers' | 'duplicates' | 'operations' | 'toBeStored' | 'unlogged'
> = {
  up: gauge('buslane.store.up', '1', 'Whether the store can be used: 1 or 0'),
  leases: upDown('buslane.store.leases', '{lease}', 'Leases that are held here'),
  lost: observableCounter('buslane.store.leases_lost', '{lease}', 'Leases that were lost'),
  takeovers: observableCounter(
    'buslane.store.takeovers',
    '{lease}',
    'Leases of dead processes that this one gave back',
  ),
  duplicates: observableCounter('buslane.store.duplicates', '{event}', 'Publishes suppressed by their idempotency key'),
  operations: observableCounter('buslane.store.operations', '{event}', 'What was done with stored events here'),
  toBeStored: upDown(
    'buslane.store.pending_schedules',
    '{event}',
    'Schedules that wait in memory until the store is back',
  ),
  unlogged: observableCounter('buslane.store.unlogged', '{event}', 'Events that could not be written to the event log'),
}

/** Counted in the store itself: the same in every process. */
export const STORE_COUNTED: Definitions<'events' | 'oldestReady' | 'stuck' | 'workers' | 'deadLettersWaiting'> = {
  events: gauge('buslane.store.events', '{event}', 'Events in the store'),
  oldestReady: gauge('buslane.store.oldest_ready_age', 's', 'How long the ready event that waits longest has been due'),
  stuck: gauge('buslane.store.stuck', '{event}', 'Events of dead processes that nobody has taken over yet'),
  workers: gauge('buslane.store.workers', '{worker}', 'Processes that work on the store'),
  deadLettersWaiting: gauge('buslane.dead_letters.waiting', '{letter}', 'Dead letters that wait for somebody'),
}

/** Summed up from what other plugins report through `host.signals`. */
export const REPORTED: Definitions<'deadLetters' | 'dropped' | 'unsaved' | 'circuitChanges' | 'runaways'> = {
  deadLetters: observableCounter('buslane.dead_letters', '{letter}', 'Messages that became dead letters here'),
  dropped: observableCounter(
    'buslane.dead_letters.dropped',
    '{letter}',
    'Dead letters in memory that left for newer ones',
  ),
  unsaved: observableCounter(
    'buslane.dead_letters.unsaved',
    '{letter}',
    'Dead letters that the store did not take at once',
  ),
  circuitChanges: observableCounter('buslane.circuit.changes', '{change}', 'Changes of the state of circuits'),
  runaways: observableCounter('buslane.handler.runaways', '{handler}', 'Handlers that went on after their timeout'),
}

/** What other plugins reported last. */
export const LAST_REPORTED: Definitions<'circuitState' | 'intakePaused'> = {
  circuitState: gauge('buslane.circuit.state', '1', 'State of a circuit: 0 closed, 1 half open, 2 open'),
  intakePaused: gauge('buslane.intake.paused', '1', 'Whether the intake of a type is paused: 1 or 0'),
}

/** What other plugins offer as gauges. */
export const OFFERED: Definitions<'circuitsOpen'> = {
  circuitsOpen: upDown('buslane.circuits.open', '{circuit}', 'Circuits that are open'),
}

export const EVENT_LOOP: Definitions<'delay'> = {
  delay: gauge('buslane.event_loop.delay', 's', 'Delay of the event loop since it was read last'),
}

/** In seconds: the convention's, with steps below for what never leaves the process. */
export const BUCKETS: number[] = [
  0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 60,
]
