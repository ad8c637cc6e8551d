// The plugin
export {
  type ApprovalFilter,
  type Approvals,
  approvals,
  type CommandKey,
  type CommandPayload,
  type Deciding,
  type DecisionResult,
} from './approvals.ts'
export type { ApprovalsOptions, AutoApproval } from './options.ts'
export type { ApprovalPolicy, CommandRule } from './policy.ts'

// What people see
export type { Approval, ApprovalState, Edit, Vote } from './approval.ts'

// Errors and system events
export { ApprovalError, ApprovalErrorCode, type ApprovalProblem, type Decision } from './errors.ts'
export {
  ApprovalCancelled,
  type ApprovalDecidedPayload,
  ApprovalDenied,
  type ApprovalEventPayload,
  ApprovalExpired,
  ApprovalGranted,
  ApprovalRequested,
  type ApprovalRequestedPayload,
} from './events.ts'
