import type { CommandResult } from '@buslane/core'

/** Whether somebody has yet to approve the command: that is no failure. */
export const isPending = (result: CommandResult<unknown>): boolean =>
  !result.success && result.error.code === 'APPROVAL_PENDING'
