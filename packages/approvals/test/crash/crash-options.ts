import { defineCommand } from '@buslane/core'
import type { JournaledPayload } from '@buslane/testkit/crash'

/** Where the store is, and what this worker is there for. */
export interface CrashOptions {
  readonly connectionString: string
  readonly schema: string
  /** It has handlers of the commands; without, it only decides. Default `true`. */
  readonly handles?: boolean
}

/** What the handler of a command is to do. */
export interface Work extends JournaledPayload {
  /** It stands still in this attempt, so that it can be killed there. */
  readonly pausesIn?: number
  /** It fails in these attempts. */
  readonly failsIn?: readonly number[]
}

/** An interrupted run is looked at by a person. */
export const Careful = defineCommand<Work, string>('crash.careful', { approval: { required: true } })
/** An interrupted run is repeated. */
export const Repeatable = defineCommand<Work, string>('crash.repeatable', {
  approval: { required: true, onCrash: 'retry' },
})
export const Hurried = defineCommand<Work, string>('crash.hurried', { approval: { required: true, expiresInMs: 300 } })
export const Voted = defineCommand<Work, string>('crash.voted', { approval: { required: true, quorum: 2 } })

export const COMMANDS = { careful: Careful, repeatable: Repeatable, hurried: Hurried, voted: Voted } as const

/** What is asked of a worker. */
export interface Asking {
  readonly command: keyof typeof COMMANDS
  readonly id: string
  readonly waits?: boolean
  readonly work?: Partial<Work>
}

/** What Node needs to run the worker from the sources. */
export const EXEC_ARGV = ['--conditions=@buslane/source', '--no-warnings'] as const
