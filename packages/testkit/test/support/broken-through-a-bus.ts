import type { ClaimedEvent, EventStore, Report } from '@buslane/core'
import { changeAppended, type Changes, changeReports } from './delegate.ts'

const claims = (change: (event: ClaimedEvent) => ClaimedEvent): Changes => ({
  events: (healthy) => ({
    claim: async (request) => {
      const claimed = await healthy.claim(request)
      return { ...claimed, events: claimed.events.map(change) }
    },
  }),
})

const events = (changes: (healthy: EventStore) => Partial<EventStore>): Changes => ({ events: changes })

const burnt = (report: Report): Report =>
  report.kind === 'release' ? { ...report, progress: { a: { status: 'trying', attempts: 1 } } } : report

/** Stores that a bus must not be given, and the words in the title of the check that rejects each. */
export const brokenThroughABus: readonly (Changes & { readonly fault: string; readonly check: string })[] = [
  {
    fault: 'tells nobody that a lease is lost',
    check: 'C-05',
    ...events((healthy) => ({
      heartbeat: async (worker) => (await healthy.heartbeat(worker)) && 'ok',
      report: async (reports) => (await healthy.report(reports)).map((answer) => ({ ...answer, status: 'ok' })),
    })),
  },
  {
    fault: 'gives back nothing that its worker does not know of',
    check: 'claimed in an answer that was lost',
    ...events(() => ({ releaseUnknown: () => Promise.resolve(0) })),
  },
  {
    fault: 'gives back what its worker knows of, too',
    check: 'claimed in an answer that was lost',
    ...events((healthy) => ({
      releaseUnknown: (worker) => healthy.releaseUnknown?.(worker, []) ?? Promise.resolve(0),
    })),
  },
  {
    fault: 'forgets which handlers are done',
    check: 'C-39 R-DUR-6 R-PRI-3 goes on elsewhere',
    ...claims((event) => ({ ...event, progress: {} })),
  },
  {
    fault: 'forgets which handlers an event began with',
    check: 'C-43 R-DUR-13 leaves an event',
    ...claims((event) => ({ ...event, handlers: undefined })),
  },
  {
    fault: 'forgets since when an event waits for a handler',
    check: 'C-43 R-DUR-13 leaves an event',
    ...claims((event) => ({ ...event, deferredSince: undefined })),
  },
  {
    fault: 'forgets that events expire',
    check: 'starts nothing that has expired',
    ...changeAppended((event) => {
      // The runner reads it in the headers too.
      const headers = event.message.headers.replaceAll(/"expiresInMs":\d+,?/g, '').replace(',}', '}')
      return { ...event, expiresInMs: undefined, message: { ...event.message, headers } }
    }),
  },
  {
    fault: 'claims what is held back',
    check: 'whose gate is closed',
    ...events((healthy) => ({
      claim: (request) =>
        healthy.claim({ ...request, types: request.types.map((type) => ({ ...type, paused: false })) }),
    })),
  },
  {
    fault: 'takes NUL characters out',
    check: 'gives handlers the payload that was published',
    ...changeAppended((event) => ({
      ...event,
      message: { ...event.message, payload: event.message.payload.replaceAll(String.raw`\u0000`, '') },
    })),
  },
  {
    fault: 'wants to be asked all the time once many wait',
    check: 'C-26',
    events: (healthy, inspect) => ({
      ready: async (types) => {
        const { scheduled } = await inspect.counts()
        return { ...(await healthy.ready(types)), nextDueInMs: scheduled > 10 ? 500 : undefined }
      },
    }),
  },
  {
    fault: 'loses what it is to move to the dead letters',
    check: 'C-54',
    ...changeReports((report) => (report.kind === 'dead' ? { kind: 'complete', lease: report.lease } : report)),
  },
  { fault: 'counts an attempt for what is handed back', check: 'C-75', ...changeReports(burnt) },
  {
    fault: 'says that an event is handled, and gives it out once more',
    check: 'C-76',
    events: (healthy) => {
      let first = true
      const instead = (report: Report): Report => {
        if (report.kind !== 'complete' || !first) return report
        first = false
        return { kind: 'release', lease: report.lease }
      }
      return { report: (reports) => healthy.report(reports.map(instead)) }
    },
  },
  {
    fault: 'deletes what is scheduled when it is loaded',
    check: 'C-22',
    events: (healthy, inspect) => ({
      join: async (facts) => {
        for (const { key } of (await inspect.list({ state: 'scheduled' })).entries) await inspect.cancel(key)
        return await healthy.join(facts)
      },
    }),
  },
  {
    fault: 'makes ready what is due an hour late',
    check: 'C-29',
    ...changeAppended((event) => ({
      ...event,
      due: event.due && 'delayMs' in event.due ? { delayMs: event.due.delayMs + 3_600_000 } : event.due,
    })),
  },
  {
    fault: 'retries at once',
    check: 'waits 5000 ms before a retry',
    ...changeReports((report) => (report.kind === 'retry' ? { ...report, delayMs: 0 } : report)),
  },
  {
    fault: 'keeps what was cancelled',
    check: 'C-68',
    ...events(() => ({ cancel: () => Promise.resolve('cancelled' as const) })),
  },
]
