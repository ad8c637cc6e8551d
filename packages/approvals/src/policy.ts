import type { AnyDefinition, CommandMessage, PluginOptions } from '@buslane/core'
import { checkNames, invalidOption, policyFailed } from './errors.ts'

/** A question about a command. Answer at once, with a boolean. Annotate the payload: `(command: CommandMessage<{ cents: number }>) => …`. */
export type CommandRule = (command: CommandMessage<never>) => boolean

/** What a command's definition says about its approval. */
export interface ApprovalPolicy {
  /** Whether a person must say yes: always, never, or where the function says so. It is asked about the parsed command. */
  readonly required: boolean | CommandRule
  /** For how long somebody may decide, in milliseconds. Default: for ever. */
  readonly expiresInMs?: number | undefined
  /** Who may approve and deny. Default: everybody. */
  readonly approvers?: readonly string[] | undefined
  /** How many different people must say yes. Default 1. One who may decide is enough for a no. */
  readonly quorum?: number | undefined
  /**
   * What becomes of an approved command whose process died while its handler ran. Default: what the definition's own `onCrash` says, else
   * `fail`: it is `interrupted`, and a person looks at it.
   */
  readonly onCrash?: 'retry' | 'fail' | undefined
}

/** What {@link approvals} adds to the options of commands. */
interface CommandType {
  /** A person must say yes before the handler is called. Needs `approvals()` among the plugins of the bus. */
  readonly approval?: ApprovalPolicy | undefined
}

/** What it adds to `execute`. */
interface Execute {
  /**
   * Waits until somebody has decided and the command has run, and gives its own result; `signal` and `timeoutMs` end the wait, not the
   * approval. Default `false`: the result is `APPROVAL_PENDING` at once.
   */
  readonly waitForApproval?: boolean | undefined
  /**
   * The id of the approval. Executing with one that was used before asks nobody again, and gives what became of the first: set it where
   * a handler that executes the command may run twice. Default: the id of the command.
   */
  readonly approvalId?: string | undefined
}

const EXECUTE: readonly (keyof Execute)[] = ['waitForApproval', 'approvalId']

/** What is declared below, for the bus. */
export const ADDED: PluginOptions = { execute: EXECUTE }

declare module '@buslane/core' {
  interface CommandDefinitionOptions extends CommandType {}
  interface ExecuteOptions extends Execute {}
}

/** A policy, complete. */
export interface Terms {
  readonly expiresInMs: number | undefined
  readonly approvers: readonly string[] | undefined
  readonly quorum: number
  readonly onCrash: 'retry' | 'fail'
}

/** @throws {BusError} `APPROVAL_POLICY_FAILED` */
export const isRequired = ({ required }: ApprovalPolicy, command: CommandMessage): boolean =>
  typeof required === 'boolean' ? required : ask(`approval.required of '${command.type}'`, required, command)

/** @throws {BusError} `APPROVAL_POLICY_FAILED` */
export const ask = (what: string, rule: CommandRule, command: CommandMessage): boolean => {
  let answer: unknown
  try {
    answer = rule(command as CommandMessage<never>)
  } catch (cause) {
    throw policyFailed(what, cause)
  }
  if (typeof answer === 'boolean') return answer
  throw policyFailed(what, new TypeError(`it must give a boolean, at once, and gave a value of type ${typeof answer}`))
}

export const termsOf = ({ approval, onCrash }: AnyDefinition['options']): Terms => {
  const { expiresInMs, approvers, quorum = 1 } = approval!
  return {
    expiresInMs: expiresInMs === Infinity ? undefined : expiresInMs,
    approvers,
    quorum,
    onCrash: approval!.onCrash ?? onCrash ?? 'fail',
  }
}

const KNOWN = ['required', 'expiresInMs', 'approvers', 'quorum', 'onCrash']

/** @throws {BusError} `INVALID_ARGUMENT` with the option's name. */
export const checkPolicy = (type: string, policy: ApprovalPolicy): void => {
  const at = (name: string): string => `approval.${name} of '${type}'`
  checkNames(`approval of '${type}'`, policy, KNOWN)
  const { required, expiresInMs, approvers, quorum, onCrash } = policy
  if (typeof required !== 'boolean' && typeof required !== 'function') {
    throw invalidOption(at('required'), 'a boolean or a function', required)
  }
  if (expiresInMs !== undefined && !(typeof expiresInMs === 'number' && expiresInMs > 0)) {
    throw invalidOption(at('expiresInMs'), 'a number of milliseconds above 0', expiresInMs)
  }
  if (approvers !== undefined && !areNames(approvers)) {
    throw invalidOption(at('approvers'), 'a list of different names that is not empty', approvers)
  }
  if (quorum !== undefined && !(Number.isInteger(quorum) && quorum >= 1)) {
    throw invalidOption(at('quorum'), 'a whole number from 1', quorum)
  }
  if (quorum !== undefined && approvers !== undefined && quorum > approvers.length) {
    throw invalidOption(at('quorum'), `at most ${approvers.length}, as there are no more approvers`, quorum)
  }
  if (onCrash !== undefined && onCrash !== 'retry' && onCrash !== 'fail') {
    throw invalidOption(at('onCrash'), 'retry or fail', onCrash)
  }
}

const areNames = (names: unknown): boolean =>
  Array.isArray(names) &&
  names.length > 0 &&
  names.every((name) => typeof name === 'string' && name !== '') &&
  new Set(names).size === names.length
