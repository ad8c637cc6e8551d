import type { Delivery } from './deliveries.ts'
import { type Figures, runFigures } from './figures.ts'
import type { HandlerName } from './journal.ts'
import { refusesMail } from './services.ts'

interface Facts {
  readonly action?: string
}

/** What must come out, told from the deliveries and the seed alone: there is no bus, handler or schema in it. */
export function expectedFigures(deliveries: readonly Delivery[], seed: number): Figures {
  const all = deliveries.length
  const count = (matches: (name: string) => boolean): number => deliveries.filter(({ event }) => matches(event)).length
  const threads = deliveries.filter(({ event }) => event === 'issues' || event === 'pull_request')
  const opened = threads.filter(({ body }) => (body as Facts).action === 'opened').length
  const paged = new Set([
    'dependabot_alert.created',
    'code_scanning_alert.created',
    'code_scanning_alert.reopened',
    'repository_vulnerability_alert.create',
    'security_advisory.published',
  ])
  const runs: Record<HandlerName, number> = {
    audit: all,
    triage: count((name) =>
      /^(dependabot|code_scanning|repository_vulnerability)_alert$|^security_advisory$/.test(name),
    ),
    label: threads.length,
    remind: threads.length,
    notify: all,
    count: all,
    'follow-up': opened,
    page: deliveries.filter(({ event, body }) => paged.has(`${event}.${(body as Facts).action}`)).length,
  }
  const refused = deliveries.filter(({ number }) => refusesMail(seed, number)).length
  return {
    'deliveries handled': all,
    'deliveries refused': 0,
    'kinds counted': new Set(deliveries.map(({ event }) => event)).size,
    ...runFigures((handler) => runs[handler]),
    'failures thrown': refused,
    'failures announced': refused,
    'other failures': 0,
    'follow-ups planned': opened,
    'follow-ups fired': opened,
    'events settled': all + opened,
    'order violations': 0,
    'broken audit links': 0,
    'left at stop': 0,
  }
}
