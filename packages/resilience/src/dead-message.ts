import type { DeadReason, Message, StoredError } from '@buslane/core'

/** A message in memory whose handler failed for good. */
export interface DeadMessage {
  /** As it was given, before it was upcast and parsed. */
  readonly message: Message & { readonly kind: 'event' | 'command' }
  readonly handler: string
  /** What the handler is called in a store; `undefined` if nobody gave it a name. */
  readonly identity: string | undefined
  readonly reason: DeadReason
  readonly attempts: number
  /** The last ones, oldest first. */
  readonly errors: readonly StoredError[]
  /** How often it was replayed before. */
  readonly replays: number
  readonly edited: { readonly payload: unknown; readonly by: string } | undefined
}
