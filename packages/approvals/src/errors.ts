import { BusError } from '@buslane/core'

/** Every error code of this package. */
export const ApprovalErrorCode = {
  /** Somebody has yet to decide. Not a failure: look at the approval later, or execute with `waitForApproval`. */
  APPROVAL_PENDING: 'APPROVAL_PENDING',
  /** Somebody said no; see `decision`. */
  APPROVAL_DENIED: 'APPROVAL_DENIED',
  /** Nobody decided in time. */
  APPROVAL_EXPIRED: 'APPROVAL_EXPIRED',
  /** It was withdrawn; see `decision`. */
  APPROVAL_CANCELLED: 'APPROVAL_CANCELLED',
  /** It was approved and begun, and its process died: nobody knows how far it came. */
  APPROVAL_INTERRUPTED: 'APPROVAL_INTERRUPTED',
  /** As many approvals wait in memory as may. */
  APPROVALS_FULL: 'APPROVALS_FULL',
  /** A function of a policy threw, or gave something that is not a boolean; see `cause`. */
  APPROVAL_POLICY_FAILED: 'APPROVAL_POLICY_FAILED',
} as const

/** Who decided, when, and what he had to say. */
export interface Decision {
  readonly by: string
  /** Epoch milliseconds. */
  readonly at: number
  readonly note?: string | undefined
}

/** Why an approval stands between a command and its handler. */
export type ApprovalProblem =
  | 'APPROVAL_PENDING'
  | 'APPROVAL_DENIED'
  | 'APPROVAL_EXPIRED'
  | 'APPROVAL_CANCELLED'
  | 'APPROVAL_INTERRUPTED'

/**
 * The error of a command that needs a person's yes and has not got it. `retryable` is `false`: executing it again does not help.
 *
 * @example
 * import { isBusError } from '@buslane/core'
 *
 * const error = new ApprovalError('APPROVAL_DENIED', 'a1', 'Not on a Friday', { by: 'ada', at: 0 })
 * isBusError(error, 'APPROVAL_DENIED') // => true
 * error.decision?.by // => 'ada'
 */
export class ApprovalError extends BusError {
  override readonly name = 'ApprovalError'
  readonly approvalId: string
  /** Of whoever decided; `undefined` while nobody has, and where nobody did in time. */
  readonly decision: Decision | undefined

  constructor(code: ApprovalProblem, approvalId: string, message: string, decision?: Decision) {
    super(code, message, { retryable: false })
    this.approvalId = approvalId
    this.decision = decision
  }
}

export const invalid = (message: string): BusError => new BusError('INVALID_ARGUMENT', message, { retryable: false })

export const policyFailed = (what: string, cause: unknown): BusError =>
  new BusError('APPROVAL_POLICY_FAILED', `${what} failed, so the command was held back: ${textOf(cause)}`, { cause })

export const invalidOption = (name: string, what: string, given: unknown): BusError =>
  invalid(`${name} must be ${what}, not ${textOf(given)}`)

/** Refuses what is no object, or has a name that is none of these: a misspelt one. */
export const checkNames = (where: string, options: object, names: readonly string[]): void => {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidOption(where, 'an object', options)
  }
  const strange = Object.keys(options).find((name) => !names.includes(name))
  if (strange !== undefined) throw invalid(`${where} has no option '${strange}', only ${names.join(', ')}`)
}

const textOf = (value: unknown): string => {
  try {
    if (value instanceof Error) return value.message
    if (typeof value === 'function') return 'a function'
    return typeof value === 'object' && value !== null ? 'an object' : String(value)
  } catch {
    return 'a value that cannot be shown'
  }
}
