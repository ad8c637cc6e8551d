import {
  BusError,
  type Clock,
  type CommandExecution,
  type CommandMessage,
  type EventMessage,
  isBusError,
  type PayloadCodec,
  type StoredMessage,
} from '@buslane/core'
import { fromJson, storeMessage } from '@buslane/core/store-runner'
import { consequencesOf } from './consequences.ts'
import { ApprovalError, invalid, invalidOption } from './errors.ts'
import type { Keeper, Kept } from './keeper.ts'
import type { AutoApproval } from './options.ts'
import { ask, termsOf } from './policy.ts'
import { type ApprovalRecord, newRecord, type RecordState } from './record.ts'
import { restoredError } from './restored-error.ts'
import type { Ending, Waiters } from './waiters.ts'

interface RequestsHost {
  readonly clock: Clock
  readonly keeper: Keeper
  readonly waiters: Waiters
  readonly rules: readonly AutoApproval[]
  readonly codec: PayloadCodec | undefined
}

/** Ids that are longer fit no index of a database. */
const MAX_ID_LENGTH = 256

/** Asks for approvals, and gives those who execute a command what becomes of them. */
export class Requests {
  readonly #host: RequestsHost

  constructor(host: RequestsHost) {
    this.#host = host
  }

  /** Resolves with the value of the command, once it is approved and has run; rejects with why it has not. */
  async execute(command: CommandMessage, { definition, input, options, context }: CommandExecution): Promise<unknown> {
    const { waitForApproval = false, approvalId = input.id } = options
    checkExecute(waitForApproval, approvalId)
    const message: StoredMessage = {
      ...storeMessage(input as unknown as EventMessage, undefined, this.#host.codec),
      id: approvalId,
    }
    const record = newRecord(message, termsOf(definition.options), this.#firstState(command))
    const kept = await this.#add(record, context.signal)
    const { is } = kept.record.state
    // What has been decided needs nobody any more: it takes no longer than the command does.
    const ending =
      waitForApproval || is !== 'pending'
        ? await this.#host.waiters.wait(approvalId, context.signal)
        : { record: kept.record, firsthand: undefined }
    context.attempts = attemptsOf(ending.record.state)
    return valueOf(ending)
  }

  #firstState(command: CommandMessage): RecordState {
    const rule = this.#host.rules.find(({ name, when }) => ask(`The rule '${name}'`, when, command))
    if (!rule) return { is: 'pending' }
    return { is: 'approved', decision: { by: rule.name, at: this.#host.clock.now() } }
  }

  /** The approval as it is then: of the first who asked, if several did with one id. */
  async #add(record: ApprovalRecord, signal: AbortSignal): Promise<Kept> {
    const { keeper } = this.#host
    const { id, type } = record.message
    try {
      if (signal.aborted) throw signal.reason as Error
      await keeper.add(record, consequencesOf(record, undefined))
      const kept = await keeper.get(id)
      if (!kept) throw new BusError('APPROVAL_CANCELLED', `Approval ${id} was discarded`)
      if (kept.record.message.type === type) return kept
      throw invalid(`Approval ${id} is one of '${kept.record.message.type}', not of '${type}'. Give another approvalId`)
    } catch (error) {
      if (isBusError(error)) throw error
      throw new BusError('PERSISTENCE_UNAVAILABLE', `An approval of '${type}' cannot be asked for now`, {
        cause: error,
      })
    }
  }
}

/** @throws {BusError} `INVALID_ARGUMENT` */
const checkExecute = (waitForApproval: unknown, approvalId: unknown): void => {
  if (typeof waitForApproval !== 'boolean') throw invalidOption('waitForApproval', 'a boolean', waitForApproval)
  const isText = typeof approvalId === 'string' && approvalId !== '' && approvalId.length <= MAX_ID_LENGTH
  if (isText && !approvalId.includes('\0') && approvalId.isWellFormed()) return
  throw invalidOption('approvalId', `a text of 1 to ${MAX_ID_LENGTH} characters`, approvalId)
}

const attemptsOf = (state: RecordState): number => ('run' in state && state.run !== undefined ? state.run.attempt : 0)

/** @throws {BusError} why there is none. */
const valueOf = ({ record, firsthand }: Ending): unknown => {
  const { state, message } = record
  const { id, type } = message
  switch (state.is) {
    case 'succeeded':
      if (firsthand && 'value' in firsthand) return firsthand.value
      if (state.value !== undefined) return fromJson(state.value)
      throw new BusError(
        'INVALID_RESULT',
        `'${type}' ran, but its result cannot be kept as JSON, and was not made here`,
      )
    case 'failed': {
      const cause = firsthand && 'error' in firsthand ? firsthand.error : restoredError(state.error)
      throw new BusError('HANDLER_FAILED', `The approved '${type}' failed: ${state.error.message}`, { cause })
    }
    case 'denied':
      throw new ApprovalError('APPROVAL_DENIED', id, `'${type}' was denied by ${who(state.decision)}`, state.decision)
    case 'cancelled':
      throw new ApprovalError(
        'APPROVAL_CANCELLED',
        id,
        `'${type}' was cancelled by ${who(state.decision)}`,
        state.decision,
      )
    case 'expired':
      throw new ApprovalError('APPROVAL_EXPIRED', id, `Nobody decided about '${type}' in time. Execute it anew`)
    case 'interrupted': {
      const what = `The approved '${type}' was begun, and its process died: nobody knows how far it came. Look before you run it again`
      throw new ApprovalError('APPROVAL_INTERRUPTED', id, what, state.decision)
    }
    case 'pending':
    case 'approved':
    case 'running':
      throw new ApprovalError(
        'APPROVAL_PENDING',
        id,
        `'${type}' waits for a person: approvals.approve('${id}', { by })`,
      )
  }
}

const who = ({ by, note }: { readonly by: string; readonly note?: string | undefined }): string =>
  note === undefined ? by : `${by}: ${note}`
