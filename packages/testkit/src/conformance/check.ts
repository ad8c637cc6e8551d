import type { Capability, OpenOptions } from './harness.ts'
import type { Subject } from './subject.ts'

/** What a check is called. */
export interface CheckFacts {
  /** Stable: `C-04`. A letter at the end tells several checks of one matter apart. */
  readonly id: string
  /** What an adapter does that passes, in the present tense. */
  readonly title: string
  /** The rules of the architecture that it proves. */
  readonly rules: readonly string[]
}

/** One thing that every store must do. */
export interface Check extends CheckFacts {
  /** Skipped where the harness says that one of these is absent. */
  readonly needs: readonly Capability[]
  /** Rejects if the store does not. */
  run(context: CheckContext): Promise<void>
}

/** What a check works with. */
export interface CheckContext {
  /** Opens an empty store, which is closed after the check. */
  readonly open: (options?: Partial<OpenOptions>) => Promise<Subject>
}

/** What became of a check. */
export type CheckResult =
  | { readonly check: CheckFacts; readonly status: 'passed' }
  | { readonly check: CheckFacts; readonly status: 'failed'; readonly error: unknown }
  | { readonly check: CheckFacts; readonly status: 'skipped'; readonly reason: string }
