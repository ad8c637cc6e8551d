import { defineCommand, defineEvent } from '@buslane/core'
import type { JournaledPayload } from '@buslane/testkit/crash'

/** Where the store is. */
export interface CrashOptions {
  readonly connectionString: string
  readonly schema: string
}

/** What the handlers of a message are to do. */
export interface Work extends JournaledPayload {
  /** The handler fails in these attempts. */
  readonly failsIn?: readonly number[]
  /** It stands still in this attempt, so that it can be killed there. */
  readonly pausesIn?: number
  /** It ends its process, each time. */
  readonly exits?: boolean
}

export const Worked = defineEvent<Work>('crash.worked', { durable: true })
export const Do = defineCommand<Work>('crash.do')

export const MAX_ATTEMPTS = 3

/** What Node needs to run the worker from the sources. */
export const EXEC_ARGV = ['--conditions=@buslane/source', '--no-warnings'] as const
