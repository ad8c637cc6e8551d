import type { Delivery } from './deliveries.ts'
import { type DurableFigures, type Figures, runFigures } from './figures.ts'
import type { HandlerName } from './journal.ts'
import { mailTrouble } from './services.ts'

/** How often the desk sends a mail again. Written down again here, so that the desk cannot vouch for itself. */
const MAX_RETRIES = 3

interface Facts {
  readonly action?: string
}

/**
 * What must come out when deliveries are stored, told from the deliveries and the seed alone: there is no bus, handler or
 * schema in it, and no kill: those must make no difference.
 */
export function expectedDurableFigures(deliveries: readonly Delivery[], seed: number): DurableFigures {
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
  const pages = deliveries.filter(({ event, body }) => paged.has(`${event}.${(body as Facts).action}`)).length
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
    incident: pages,
    inform: pages,
    page: pages,
  }
  const dead = deliveries.filter(({ number }) => mailTrouble(seed, number) === 'no mailbox').length
  return {
    'deliveries handled': all,
    'deliveries refused': 0,
    'kinds counted': new Set(deliveries.map(({ event }) => event)).size,
    ...runFigures((handler) => runs[handler]),
    'failures thrown': dead,
    'order violations': 0,
    'dead letters': dead,
    'left in the store': 0,
  }
}

/** As {@link expectedDurableFigures}, when deliveries are in memory and the desk lives from beginning to end. */
export function expectedFigures(deliveries: readonly Delivery[], seed: number): Figures {
  const expected = expectedDurableFigures(deliveries, seed)
  const dead = expected['dead letters']
  const busy = deliveries.filter(({ number }) => mailTrouble(seed, number) === 'busy').length
  return {
    ...expected,
    retries: busy + dead * MAX_RETRIES,
    'dead letters replayed': dead,
    'dead letters left': 0,
    'failures announced': expected['failures thrown'],
    'other failures': 0,
    'follow-ups planned': expected['runs of follow-up'],
    // A replayed delivery is settled once more.
    'events settled': deliveries.length + expected['runs of follow-up'] + expected['runs of incident'] + dead,
    'broken audit links': 0,
    'left at stop': 0,
  }
}
