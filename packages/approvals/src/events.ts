import { defineEvent, type EventDefinition } from '@buslane/core'

// Written with their types, because packages are compiled declaration by declaration.

/** What all events about an approval say. */
export interface ApprovalEventPayload {
  readonly approvalId: string
  readonly commandType: string
  readonly sessionId: string
}

/** What is said of a decision. */
export interface ApprovalDecidedPayload extends ApprovalEventPayload {
  readonly by: string
  readonly note?: string | undefined
}

/** What is said of a request. */
export interface ApprovalRequestedPayload extends ApprovalEventPayload {
  /** For how long somebody may decide. */
  readonly expiresInMs?: number | undefined
  readonly approvers?: readonly string[] | undefined
  readonly quorum: number
}

type Durable<Payload> = EventDefinition<Payload, Payload, true>

/** A command waits for a person's yes. */
export const ApprovalRequested: Durable<ApprovalRequestedPayload> = defineEvent<ApprovalRequestedPayload>(
  'buslane.approval.requested',
  { durable: true },
)

/** Enough people, or a rule, said yes: the command runs. */
export const ApprovalGranted: Durable<ApprovalDecidedPayload> = defineEvent<ApprovalDecidedPayload>(
  'buslane.approval.granted',
  { durable: true },
)

/** Somebody said no. */
export const ApprovalDenied: Durable<ApprovalDecidedPayload> = defineEvent<ApprovalDecidedPayload>(
  'buslane.approval.denied',
  { durable: true },
)

/** Nobody decided in time. */
export const ApprovalExpired: Durable<ApprovalEventPayload> = defineEvent<ApprovalEventPayload>(
  'buslane.approval.expired',
  { durable: true },
)

/** It was withdrawn. */
export const ApprovalCancelled: Durable<ApprovalDecidedPayload> = defineEvent<ApprovalDecidedPayload>(
  'buslane.approval.cancelled',
  { durable: true },
)

interface DuePayload {
  readonly approvalId: string
}

/** The time of an approval is over: what this package schedules for itself. */
export const ApprovalDue: Durable<DuePayload> = defineEvent<DuePayload>('buslane.approval.due', { durable: true })
