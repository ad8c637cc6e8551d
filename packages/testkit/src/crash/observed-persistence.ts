import type { ApprovalStore, EventStore, Persistence, Report, Reported } from '@buslane/core'
import { runStore } from '@buslane/core/store-runner'
import type { Journal } from './journal.ts'
import type { Pauses } from './pauses.ts'

/** What looks on. */
export interface Observation {
  readonly journal: Journal
  readonly pauses: Pauses
}

/** The same persistence: it writes down what the store has answered, and pauses where it is told to. */
export function observedPersistence<P extends Persistence & { readonly events: EventStore }>(
  persistence: P,
  observation: Observation,
): P {
  const { deadLetters, approvals } = persistence
  const { pauses } = observation
  return {
    ...persistence,
    events: observedStore(persistence.events, observation),
    deadLetters: deadLetters && {
      ...deadLetters,
      replay: (key: string, edit?: { readonly payload: string; readonly by: string }) =>
        pauses.during('during-replay', () => deadLetters.replay(key, edit)),
    },
    ...(approvals && { approvals: observedApprovals(approvals, pauses) }),
  }
}

function observedApprovals(approvals: ApprovalStore, pauses: Pauses): ApprovalStore {
  const around = async <Answer>(status: string, work: () => Promise<Answer>): Promise<Answer> => {
    await pauses.at(`before-approval-${status}`)
    const answer = await pauses.during(`during-approval-${status}`, work)
    await pauses.at(`after-approval-${status}`)
    return answer
  }
  return {
    ...approvals,
    add: (approval, then) => around('added', () => approvals.add(approval, then)),
    update: (at, change, then) => around(change.status, () => approvals.update(at, change, then)),
  }
}

function observedStore(store: EventStore, { journal, pauses }: Observation): EventStore {
  /** Ids of messages by key, of all that was leased here. */
  const ids = new Map<string, string>()
  const note = (report: Report, { status }: Reported): void => {
    const { key } = report.lease
    const event = ids.get(key)
    if (event === undefined) return
    if (status === 'lost') journal.write({ at: 'lost', event })
    else if (report.kind === 'complete') journal.write({ at: 'saved', event, handlers: undefined })
    else if ('progress' in report) journal.write({ at: 'saved', event, handlers: doneIn(report) })
    if (report.kind !== 'start' && report.kind !== 'progress') ids.delete(key)
  }
  const observed: EventStore = {
    ...store,
    run: (host) => runStore(observed, host),
    async append(events, worker) {
      const answers = await store.append(events, worker)
      await pauses.at('after-append-ack')
      for (const [index, answer] of answers.entries()) {
        if (answer.status === 'stored' && answer.lease) ids.set(answer.key, events[index]!.message.id)
      }
      return answers
    },
    async claim(request) {
      const claimed = await store.claim(request)
      if (claimed.events.length > 0) await pauses.at('after-claim')
      for (const { lease, message } of claimed.events) ids.set(lease.key, message.id)
      return claimed
    },
    async report(reports) {
      const kinds = new Set(reports.map(({ kind }) => kind))
      if (kinds.has('progress') || kinds.has('complete')) await pauses.at('after-handler-before-complete')
      const report = (): Promise<readonly Reported[]> => store.report(reports)
      const answers = await (kinds.has('dead')
        ? pauses.during('during-dead-move', report)
        : kinds.has('complete')
          ? pauses.during('during-complete', report)
          : report())
      for (const [index, answer] of answers.entries()) note(reports[index]!, answer)
      return answers
    },
    heartbeat(worker) {
      const beat = (): Promise<'ok' | 'lost'> => store.heartbeat(worker)
      return ids.size === 0 ? beat() : pauses.during('during-heartbeat', beat)
    },
  }
  return observed
}

const doneIn = (report: Report): string[] =>
  'progress' in report
    ? Object.entries(report.progress ?? {})
        .filter(([, { status }]) => status === 'done')
        .map(([name]) => name)
    : []
