import type { AnyDefinition, Persistence } from '@buslane/core'
import type { Approval } from './approval.ts'
import { checkNames, invalidOption } from './errors.ts'
import type { CommandRule } from './policy.ts'

/** A rule that says yes in a person's place. */
export interface AutoApproval {
  /** Who the record says has decided. */
  readonly name: string
  /** Asked about each command that needs a yes; the first rule that says `true` decides. */
  readonly when: CommandRule
}

/** Options of {@link approvals}. */
export interface ApprovalsOptions {
  /**
   * Where approvals are kept: the persistence of the bus, unless you give parts of one to the bus yourself. Its event store must be that
   * of the bus. `{}`: in memory.
   */
  readonly persistence?: Persistence | undefined
  /** Rules that decide at once. What they approve is recorded like what a person does, and `execute` waits for it. Default: none. */
  readonly autoApprove?: readonly AutoApproval[] | undefined
  /**
   * Whether somebody may decide, beyond the `approvers` of the command: groups, or that nobody approves what he asked for. Asked before each
   * yes, no and cancellation. Default: everybody may.
   */
  readonly mayDecide?:
    | ((by: string, approval: Approval, what: 'approve' | 'deny' | 'cancel') => boolean | PromiseLike<boolean>)
    | undefined
  /** Commands that this process decides about and has no handler of: their payloads can be edited here. */
  readonly commands?: readonly AnyDefinition[] | undefined
  /** How many are kept in memory, where no store keeps them: a whole number from 1. Default 1,000. */
  readonly approvalsInMemory?: number | undefined
}

const KNOWN = ['persistence', 'autoApprove', 'mayDecide', 'commands', 'approvalsInMemory']

/** @throws {BusError} `INVALID_ARGUMENT` with the option's name. */
export const checkApprovals = (options: ApprovalsOptions): void => {
  checkNames('approvals', options, KNOWN)
  const { persistence, autoApprove = [], mayDecide, commands = [], approvalsInMemory = 1 } = options
  if (persistence !== undefined && (typeof persistence !== 'object' || persistence === null)) {
    throw invalidOption('approvals.persistence', 'what a persistence package makes', persistence)
  }
  const areRules = Array.isArray(autoApprove) && autoApprove.every(isRule)
  if (!areRules) throw invalidOption('approvals.autoApprove', 'a list of { name, when }', autoApprove)
  if (mayDecide !== undefined && typeof mayDecide !== 'function') {
    throw invalidOption('approvals.mayDecide', 'a function', mayDecide)
  }
  if (!Array.isArray(commands) || !commands.every(isCommand)) {
    throw invalidOption('approvals.commands', 'a list of what defineCommand() returns', commands)
  }
  if (!(Number.isInteger(approvalsInMemory) && approvalsInMemory >= 1)) {
    throw invalidOption('approvals.approvalsInMemory', 'a whole number from 1', approvalsInMemory)
  }
}

const isRule = (rule: unknown): boolean => {
  const { name, when } = (rule ?? {}) as Partial<AutoApproval>
  return typeof name === 'string' && name !== '' && typeof when === 'function'
}

const isCommand = (definition: unknown): boolean =>
  typeof definition === 'function' && (definition as { readonly kind?: unknown }).kind === 'command'
