import type { Bus, Session } from '@buslane/core'
import { PageOnCall } from './commands.ts'
import { FollowUp, IssueDelivered, PullRequestDelivered } from './events.ts'
import { label } from './handlers/label.ts'
import { page } from './handlers/page.ts'
import { remind } from './handlers/remind.ts'
import type { Journal } from './journal.ts'
import type { Services } from './services.ts'

export interface RepositoryOptions {
  readonly journal: Journal
  readonly services: Services
  readonly followUpAfterMs: number
  readonly followUpPlanned: () => void
}

/**
 * Opens the session of a repository. Its handlers hear of this repository alone, and ending it takes them away. They
 * are merged with those of the bus by priority; without one it is NORMAL.
 */
export function openRepository(bus: Bus, repository: string, options: RepositoryOptions): Session {
  const { journal, services, followUpAfterMs, followUpPlanned } = options
  const session = bus.session(repository)
  for (const ThreadDelivered of [IssueDelivered, PullRequestDelivered]) {
    session.on(ThreadDelivered, journal.timed('label', label(services)), { name: 'label' })
    session.on(ThreadDelivered, journal.timed('remind', remind(followUpAfterMs, followUpPlanned)), { name: 'remind' })
  }
  session.on(
    FollowUp,
    journal.timed('follow-up', ({ payload }) => `${payload.kind} ${payload.number} needs a second look`),
    { name: 'follow-up' },
  )
  session.handle(PageOnCall, journal.timed('page', page(repository, services)), { name: 'page' })
  return session
}
