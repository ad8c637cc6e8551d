import type { CommandDefinition, Page, Plugin } from '@buslane/core'
import type { Approval, ApprovalState } from './approval.ts'
import { ApprovalDesk } from './approval-desk.ts'
import { type ApprovalsOptions, checkApprovals } from './options.ts'

/** A type of command, by its name or by its definition. */
export type CommandKey = string | { readonly type: string }

/** What commands of a type are made of. */
export type CommandPayload<Type> =
  Type extends CommandDefinition<infer Input, infer _Result, infer _Output> ? Input : unknown

/** Which approvals. What is left out says nothing. */
export interface ApprovalFilter<Type extends CommandKey = CommandKey> {
  /** A definition gives the approvals the type of its payload. */
  readonly type?: Type | undefined
  readonly state?: ApprovalState['is'] | undefined
  readonly session?: string | undefined
  /** How many on a page: up to 1,000. Default 100. */
  readonly limit?: number | undefined
}

/** Who decides, and what he has to say. */
export interface Deciding {
  /** Who he is. That he is, is for you to find out before you call. */
  readonly by: string
  readonly note?: string | undefined
}

/** What came of a decision. Whatever it is, `approval` is what is there now. */
export type DecisionResult<Status extends string> =
  | { readonly status: Status; readonly approval: Approval }
  /** Too late: somebody had decided, or the time was over. `approval` has who and when. Nothing was changed. */
  | { readonly status: 'already-decided'; readonly approval: Approval }
  /** `approvers` of the command, or `mayDecide`, say no. */
  | { readonly status: 'not-allowed'; readonly approval: Approval }
  /** There is no approval of that id. */
  | { readonly status: 'unknown'; readonly id: string }

/** The plugin, and what people see and do with it. */
export interface Approvals extends Plugin {
  /** Whether approvals survive this process. */
  readonly isDurable: boolean
  /** One page, oldest first. `cursor` is `next` of the page before. */
  list<Type extends CommandKey = string>(
    filter?: ApprovalFilter<Type>,
    cursor?: string,
  ): Promise<Page<Approval<CommandPayload<Type>>>>
  get<Payload = unknown>(id: string): Promise<Approval<Payload> | undefined>
  /**
   * Says yes. With the last yes that the quorum needs the command runs, here or in another process: `granted`; before that, `voted`.
   * `edit` gives the payload that is handled instead; the original is kept, and who said yes to it before has to say so again.
   *
   * - *Resolves when* the decision is committed, with all that follows from it; not when the command has run.
   * - *Once*: of all who decide at once, in any process, one does; the others find `already-decided`.
   *
   * @throws {BusError} `INVALID_ARGUMENT` without `by`, or if the command to edit is not known here; `INVALID_PAYLOAD` if the edited payload does
   * not fit its schema; `PERSISTENCE_UNAVAILABLE` while the store is away.
   */
  approve(
    id: string,
    options: Deciding & { readonly edit?: ((approval: Approval) => unknown) | undefined },
  ): Promise<DecisionResult<'granted' | 'voted'>>
  /** Says no: the command never runs. One who may decide is enough. @throws {BusError} as `approve` */
  deny(id: string, options: Deciding): Promise<DecisionResult<'denied'>>
  /** Takes the request back. Anybody may, unless `mayDecide` says no. @throws {BusError} as `approve` */
  cancel(id: string, options: Deciding): Promise<DecisionResult<'cancelled'>>
  /** Deletes one that is settled. `unsettled`: it is not, and stays. */
  discard(id: string): Promise<'discarded' | 'unsettled' | 'unknown'>
}

/**
 * Commands whose definition has an `approval` wait for a person's yes. For one bus: give it to `createBus({ plugins: [desk] })`.
 *
 * - *Durable* where the persistence of the bus keeps approvals: request, decision and expiry survive the process, and what follows from
 *   a decision is committed with it. Else they are in memory, which `isDurable`, the log and `health()` say.
 * - *Once*: an approved command runs once; see `onCrash` for what a crash in the middle means.
 *
 * @throws {BusError} `INVALID_ARGUMENT` with the option's name.
 * @example
 * import { createBus, defineCommand } from '@buslane/core'
 *
 * const Delete = defineCommand<{ path: string }, string>('file.delete', { approval: { required: true } })
 * const desk = approvals({ persistence: {} })
 * const bus = createBus({ plugins: [desk] })
 * bus.handle(Delete, ({ payload }) => `${payload.path} is gone`)
 * const waiting = bus.execute(Delete({ path: '/tmp/a' }), { waitForApproval: true, approvalId: 'a' })
 * await desk.approve('a', { by: 'ada' }).then(({ status }) => status) // => 'granted'
 * const result = await waiting
 * result.success && result.value // => '/tmp/a is gone'
 */
export const approvals = (options: ApprovalsOptions = {}): Approvals => {
  checkApprovals(options)
  return new ApprovalDesk(options)
}
