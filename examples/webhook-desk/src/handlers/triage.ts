import { type EventHandler, unwrap } from '@buslane/core'
import { PageOnCall } from '../commands.ts'
import type { Alert, Delivered } from '../events.ts'

const opens: ReadonlySet<string> = new Set(['created', 'create', 'reopened', 'published'])

/** Has somebody paged for an alert that needs a person, and says whom. */
export const triage =
  (): EventHandler<Delivered & { body: Alert }> =>
  async ({ payload: { lane, body } }, { execute }) => {
    if (!opens.has(body.action)) return undefined
    const { severity, summary } = body
    const { onCall } = unwrap(await execute(PageOnCall({ lane, severity, summary }), { timeoutMs: 5_000 }))
    return `paged ${onCall}`
  }
