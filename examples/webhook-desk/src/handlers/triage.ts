import { type EventHandler, unwrap } from '@buslane/core'
import { PageOnCall } from '../commands.ts'
import { type Alert, type Delivered, SecurityAlert } from '../events.ts'

const opens: ReadonlySet<string> = new Set(['created', 'create', 'reopened', 'published'])

/** Has somebody paged for an alert that needs a person, and raises a durable event that says whom. */
export const triage =
  (): EventHandler<Delivered & { body: Alert }> =>
  async ({ payload: { lane, number, body } }, { execute, publish }) => {
    if (!opens.has(body.action)) return undefined
    const { severity, summary } = body
    const { onCall } = unwrap(await execute(PageOnCall({ lane, severity, summary }), { timeoutMs: 5_000 }))
    // Killed after this and before it is written that triage is done, it runs again; the key makes it one alert all the same.
    const alert = SecurityAlert({ lane, delivery: number, severity, summary, onCall })
    await publish(alert, { idempotencyKey: `alert of delivery ${number}` })
    return `paged ${onCall}`
  }
