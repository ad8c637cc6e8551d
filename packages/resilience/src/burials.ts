import type { Burial, Clock, EventMessage, Failure, StoredError } from '@buslane/core'
import type { DeadMessage } from './dead-message.ts'
import { CommandDeadLettered, EventDeadLettered } from './events.ts'
import { identityOf } from './handler-identity.ts'
import type { BoxedLetter, LetterBox } from './letter-box.ts'
import type { LetterWriter } from './letter-writer.ts'
import { ReplayLease } from './replay-lease.ts'

interface BurialsHost {
  readonly clock: Clock
  readonly box: LetterBox
  readonly writer: LetterWriter
  emit(event: EventMessage): void
  /** One more dead letter. */
  count(type: string, reason: string): void
}

/** A command that is at work once more. */
interface Replaying {
  readonly boxed: BoxedLetter
  /** Whether it has come to a letter again. */
  isDead: boolean
}

/** How many errors a letter keeps of each handler. */
export const MAX_ERRORS = 10

/** The way of messages into the dead letters, and of those in memory out of them and perhaps in again. */
export class Burials {
  readonly #host: BurialsHost
  readonly #replaying = new Map<string, Replaying>()
  readonly #leases = new Set<ReplayLease>()

  constructor(host: BurialsHost) {
    this.#host = host
  }

  /** A handler of a message in memory failed for good. */
  bury({ input, registration, handler, attempts }: Failure, errors: readonly StoredError[], reason: string): void {
    const replayed = this.#replaying.get(input.id)
    if (replayed) replayed.isDead = true
    this.#write({
      message: input,
      handler,
      identity: identityOf(registration),
      reason,
      attempts,
      ...historyOf(replayed?.boxed, errors),
    })
  }

  /** The store has moved a message of its own. */
  moved({ message, reason, progress, error }: Burial): void {
    const failed = Object.entries(progress).find(([, { status }]) => status === 'failed')
    const [handler, { attempts = 0, errors = [] } = {}] = failed ?? [undefined]
    this.#announce(message, { handler, reason, attempts, error: errors.at(-1) ?? error })
  }

  /** What an event from the box is handled with. */
  lease(boxed: BoxedLetter): ReplayLease {
    const lease = new ReplayLease(boxed, {
      now: () => this.#host.clock.now(),
      done: (ended) => void this.#leases.delete(ended),
      putBack: (ended) => this.#putBack(ended),
      failed: (ended, { name, attempts, ...outcome }) => {
        this.#leases.delete(ended)
        const reason = ('reason' in outcome && outcome.reason) || 'failed'
        if (reason === 'discarded') return
        const { message, identity } = ended.boxed
        const history = historyOf(ended.boxed, ended.errors)
        this.#write({ message, handler: name, identity, reason, attempts, ...history })
      },
    })
    this.#leases.add(lease)
    return lease
  }

  /** A command from the box is at work. */
  executing(boxed: BoxedLetter): { ended(isDone: boolean): void } {
    const { id } = boxed.message
    const replaying: Replaying = { boxed, isDead: false }
    this.#replaying.set(id, replaying)
    return {
      ended: (isDone) => {
        this.#replaying.delete(id)
        // It failed for another reason than its handler: it is as dead as before.
        if (!isDone && !replaying.isDead) this.#host.box.add(boxed)
      },
    }
  }

  /** What has not ended goes back into the box. */
  stop(): void {
    for (const lease of this.#leases) this.#putBack(lease)
  }

  #putBack(lease: ReplayLease): void {
    if (this.#leases.delete(lease)) this.#host.box.add(lease.boxed)
  }

  #write(dead: DeadMessage): void {
    this.#host.writer.write(dead)
    const { message, handler, reason, attempts, errors } = dead
    this.#announce(message, { handler, reason, attempts, error: errors.at(-1) })
  }

  #announce(
    { id: messageId, type: messageType, sessionId, kind, correlationId }: Burial['message'],
    about: {
      readonly handler: string | undefined
      readonly reason: string
      readonly attempts: number
      readonly error: StoredError | undefined
    },
  ): void {
    this.#host.count(messageType, about.reason)
    const { name = '', message = '' } = about.error ?? {}
    const payload = { messageId, messageType, sessionId, ...about, error: about.error && { name, message } }
    const Event = kind === 'event' ? EventDeadLettered : CommandDeadLettered
    this.#host.emit(Event(payload, { sessionId, correlationId, causationId: messageId }))
  }
}

/** What a letter keeps of its former life. */
const historyOf = (
  boxed: BoxedLetter | undefined,
  errors: readonly StoredError[],
): Pick<DeadMessage, 'errors' | 'replays' | 'edited'> => {
  if (!boxed) return { errors, replays: 0, edited: undefined }
  const { attempts, replays, edited } = boxed.letter
  const before = attempts.map(({ error }) => error)
  return { errors: [...before, ...errors].slice(-MAX_ERRORS), replays: replays + 1, edited }
}
