import { defineEvent, type EventDefinition } from '@buslane/core'
import * as v from 'valibot'

/** A schema for what comes from outside: anything may go in, only what fits comes out. */
type Unchecked<Output> = v.GenericSchema<unknown, Output>

/** What every delivery is wrapped in. Handlers get the body as the schema of its type leaves it. */
const delivered = <Body>(body: Unchecked<Body>) =>
  v.object({ number: v.number(), event: v.string(), lane: v.string(), body })

/** The payload of any delivery, before and after its schema. */
export type Delivered = v.InferOutput<ReturnType<typeof delivered<unknown>>>

type DeliveryEvent<Body> = EventDefinition<Delivered, Delivered & { body: Body }, false>

const delivery = <Body>(event: string, body: Unchecked<Body>): DeliveryEvent<Body> =>
  defineEvent(`github.${event}`, { schema: delivered(body) })

/** An issue or a pull request, in one shape. */
export interface Thread {
  readonly action: string
  readonly kind: 'issue' | 'pull request'
  readonly number: number
  readonly title: string
  readonly changedLines: number
}

export const IssueDelivered = delivery<Thread>(
  'issues',
  v.pipe(
    v.unknown(),
    v.object({ action: v.string(), issue: v.object({ number: v.number(), title: v.string() }) }),
    v.transform(({ action, issue }) => ({ action, kind: 'issue' as const, ...issue, changedLines: 0 })),
  ),
)

export const PullRequestDelivered = delivery<Thread>(
  'pull_request',
  v.pipe(
    v.unknown(),
    v.object({
      action: v.string(),
      pull_request: v.object({
        number: v.number(),
        title: v.string(),
        additions: v.number(),
        deletions: v.number(),
      }),
    }),
    v.transform(({ action, pull_request: { number, title, additions, deletions } }) => ({
      action,
      kind: 'pull request' as const,
      number,
      title,
      changedLines: additions + deletions,
    })),
  ),
)

/** Four kinds of security alert in one shape, though GitHub has a shape for each. */
export interface Alert {
  readonly action: string
  readonly severity: string
  readonly summary: string
}

const advisory = v.object({ severity: v.string(), summary: v.string() })

export const AlertDelivered: readonly DeliveryEvent<Alert>[] = [
  delivery(
    'dependabot_alert',
    v.pipe(
      v.unknown(),
      v.object({ action: v.string(), alert: v.object({ security_advisory: advisory }) }),
      v.transform(({ action, alert }) => ({ action, ...alert.security_advisory })),
    ),
  ),
  delivery(
    'code_scanning_alert',
    v.pipe(
      v.unknown(),
      v.object({
        action: v.string(),
        alert: v.object({ rule: v.object({ severity: v.nullable(v.string()), description: v.string() }) }),
      }),
      v.transform(({ action, alert: { rule } }) => ({
        action,
        severity: rule.severity ?? 'none',
        summary: rule.description,
      })),
    ),
  ),
  delivery(
    'repository_vulnerability_alert',
    v.pipe(
      v.unknown(),
      v.object({
        action: v.string(),
        alert: v.object({ severity: v.string(), affected_package_name: v.string(), affected_range: v.string() }),
      }),
      v.transform(({ action, alert }) => ({
        action,
        severity: alert.severity,
        summary: `${alert.affected_package_name} ${alert.affected_range}`,
      })),
    ),
  ),
  delivery(
    'security_advisory',
    v.pipe(
      v.unknown(),
      v.object({ action: v.string(), security_advisory: advisory }),
      v.transform(({ action, security_advisory }) => ({ action, ...security_advisory })),
    ),
  ),
]

/** Time to look at an issue or a pull request again. */
export const FollowUp = defineEvent<{
  readonly lane: string
  readonly kind: Thread['kind']
  readonly number: number
}>('desk.follow-up')

export interface Alerted {
  readonly lane: string
  readonly delivery: number
  readonly severity: string
  readonly summary: string
  readonly onCall: string
}

/** Somebody was paged. It is stored before triage goes on, so that its handlers hear of it whatever happens to this process. */
export const SecurityAlert = defineEvent<Alerted>('security.alert', { durable: true })

const AnyBody: Unchecked<Record<string, unknown>> = v.pipe(v.unknown(), v.record(v.string(), v.unknown()))

const definitions = new Map<string, DeliveryEvent<unknown>>(
  [IssueDelivered, PullRequestDelivered, ...AlertDelivered].map((definition) => [definition.type, definition]),
)

/** The definition for GitHub's name of an event. Events that no handler asks for by name get one when first seen. */
export function definitionFor(event: string): DeliveryEvent<unknown> {
  const known = definitions.get(`github.${event}`)
  if (known !== undefined) return known
  const definition = delivery(event, AnyBody)
  definitions.set(definition.type, definition)
  return definition
}
