import type { QueueCounts, QueueStrategy } from './intake.ts'
import type { HandlerRegistryStats } from './registry.ts'
import type { StoreRunCounts, StoreStatus } from './store-host.ts'

/** What the bus is doing. */
export type BusState = 'created' | 'starting' | 'running' | 'stopping' | 'stopped'

/** Figures of this moment, counted when asked. Durations are in milliseconds. */
export interface BusStats extends QueueCounts {
  readonly name: string
  readonly state: BusState
  /** Events that wait to be handled, system events included. */
  readonly queueSize: number
  readonly capacity: number
  /** What happens to a publish that finds the queue full. */
  readonly strategy: QueueStrategy
  /** How many of the waiting are held back because the bus has not started. */
  readonly buffered: number
  /** How long the event that was accepted first has waited. */
  readonly oldestWaitingMs: number
  /** Durable events at work here, and what became of them in this process; `undefined` without a store. */
  readonly stored: StoredStats | undefined
  readonly system: { readonly waiting: number; readonly running: number; readonly settled: number }
  /** In memory, for later. */
  readonly scheduled: number
  /** Lanes with an event that waits or runs, and how many of them run. */
  readonly lanes: { readonly active: number; readonly running: number; readonly concurrency: number }
  readonly commands: { readonly running: number; readonly succeeded: number; readonly failed: number }
  readonly sessions: number
  /** `undefined` if the registry does not tell. */
  readonly handlers: HandlerRegistryStats | undefined
  /** Final failures of event handlers. */
  readonly handlerFailures: number
  readonly observerErrors: number
  /** Publishes that were refused while nobody awaited them. */
  readonly unheardRefusals: number
  readonly backpressure: 'high' | 'normal'
}

/** Durable events in this process: how many wait and run here, and counts since the bus was created. */
export interface StoredStats extends StoreRunCounts {
  readonly store: StoreStatus['state']
  readonly waiting: number
  readonly running: number
  readonly settled: number
  /** Leases that are held here. */
  readonly leased: number
  /** Schedules that wait in memory until the store is back. */
  readonly toBeStored: number
}

/** Something an operator should look at. */
export interface HealthWarning {
  /** One of the bus's own, or a plugin's. */
  readonly code:
    | 'BACKPRESSURE'
    | 'BUS_LANE_WAITING'
    | 'NOT_STARTED'
    | 'PERSISTENCE_DEGRADED'
    | 'PERSISTENCE_REFUSES'
    | 'UNHANDLED'
    | (string & {})
  readonly message: string
}

/** Whether the bus does its work. */
export interface BusHealth {
  readonly status: 'healthy' | 'degraded'
  readonly state: BusState
  readonly warnings: readonly HealthWarning[]
}

/** An event that `stop` left undone. */
export interface LeftEvent {
  readonly id: string
  readonly type: string
  readonly sessionId: string
  /** It waited in the queue (or the buffer before start), for its time, or was running at the deadline. */
  readonly reason: 'waiting' | 'scheduled' | 'aborted'
}

/** What `stop` did. */
export interface StopReport {
  /** In-memory events that settled while stopping. */
  readonly finished: number
  /** Events and commands whose handlers were aborted at the deadline. */
  readonly aborted: number
  /** Leases handed back to a store. */
  readonly released: number
  /** In-memory events that were accepted and not handled: what the process loses if it exits now. */
  readonly left: readonly LeftEvent[]
}
