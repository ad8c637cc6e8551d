import type {
  ApprovalStore,
  DeadLetterStore,
  EventStore,
  Inspectable,
  NewEvent,
  Persistence,
  Report,
} from '@buslane/core'
import { runStore } from '@buslane/core/store-runner'

/** What replaces verbs of a healthy store. */
export interface Changes {
  readonly events?: (healthy: EventStore, inspect: Inspectable) => Partial<EventStore>
  readonly approvals?: (healthy: ApprovalStore, events: EventStore) => Partial<ApprovalStore>
  readonly deadLetters?: (healthy: DeadLetterStore, events: EventStore) => Partial<DeadLetterStore>
}

/** The same persistence with some verbs replaced. */
export function changed({ events, deadLetters, approvals, inspect }: Persistence, changes: Changes): Persistence {
  if (events === undefined || inspect === undefined) throw new Error('needs an event store to break')
  const broken: EventStore = {
    ...bound(events),
    run: (host) => runStore(broken, host),
    ...changes.events?.(events, inspect),
  }
  return {
    events: broken,
    deadLetters: deadLetters && { ...bound(deadLetters), ...changes.deadLetters?.(deadLetters, events) },
    approvals: approvals && { ...bound(approvals), ...changes.approvals?.(approvals, events) },
    inspect,
  }
}

/** All members of an instance as own properties, which can be spread. */
function bound<Store extends object>(store: Store): Store {
  const own: Record<string, unknown> = { ...(store as Record<string, unknown>) }
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(store))) {
    const member: unknown = store[name as keyof Store]
    own[name] = typeof member === 'function' ? member.bind(store) : member
  }
  return own as Store
}

/** Every event is stored as something else. */
export const changeAppended = (change: (event: NewEvent) => NewEvent): Changes => ({
  events: (healthy) => ({
    append: (events, worker) => healthy.append(events.map(change), worker),
    appendIn: (transaction, event) => healthy.appendIn?.(transaction, change(event)) ?? Promise.reject(new Error()),
  }),
})

/** Every report arrives as another one. */
export const changeReports = (change: (report: Report) => Report): Changes => ({
  events: (healthy) => ({ report: (reports) => healthy.report(reports.map(change)) }),
})
