import { defineEvent } from '@buslane/core'
import type { JournaledPayload } from '@buslane/testkit/crash'

/** Where the store is, and what the worker does with it. */
export interface CrashOptions {
  readonly connectionString?: string
  /** PGlite's folder; then there is no server. */
  readonly dataDir?: string
  readonly schema: string
  readonly leaseMs: number
  /** Default `true`; else it only publishes. */
  readonly handles?: boolean
  /** Whether its pool stands still while the tables are made. */
  readonly pausesMigration?: boolean
}

/** What the handlers of an event are to do. */
export interface Work extends JournaledPayload {
  /** How long each handler takes. */
  readonly ms: number
  /** The handler that fails, and before which attempt: default always. */
  readonly fails?: string
  readonly failsUntil?: number
  /** The handler that pauses, ends its process, or blocks it. */
  readonly doesIn?: string
  readonly does?: 'exit' | 'block'
}

export const Worked = defineEvent<Work>('crash.worked', { durable: true })
export const Fragile = defineEvent<Work>('crash.fragile', { durable: true, onCrash: 'fail' })

/** Three groups; two handlers share the second. */
export const HANDLERS = [
  { name: 'first', priority: 10 },
  { name: 'second', priority: 50 },
  { name: 'beside', priority: 50 },
  { name: 'third', priority: 90 },
] as const

export const MAX_ATTEMPTS = 3

/** What Node needs to run the worker from the sources. */
export const EXEC_ARGV = ['--conditions=@buslane/source', '--no-warnings'] as const
