import type { ClaimedEvent, EventStore } from '@buslane/core'
import { changeAppended, changeReports, type Changes } from './delegate.ts'

/** A store with one fault, and the check that is meant to find it. */
export interface Broken extends Changes {
  readonly fault: string
  readonly check: string
}

const changeClaimed = (change: (events: readonly ClaimedEvent[]) => readonly ClaimedEvent[]): Changes => ({
  events: (healthy) => ({
    claim: async (request) => {
      const claimed = await healthy.claim(request)
      return { ...claimed, events: change(claimed.events) }
    },
  }),
})

/** How far the clock of the process is ahead of the one that cannot be set. */
const processClockErrorMs = (): number =>
  Math.round((Date.now() - performance.timeOrigin - performance.now()) / 60_000) * 60_000

/** The tokens that are valid now, by key. */
function rememberTokens(healthy: EventStore): {
  readonly tokens: Map<string, string>
  readonly claim: EventStore['claim']
} {
  const tokens = new Map<string, string>()
  const claim: EventStore['claim'] = async (request) => {
    const claimed = await healthy.claim(request)
    for (const { lease } of claimed.events) tokens.set(lease.key, lease.token)
    return claimed
  }
  return { tokens, claim }
}

export const brokenEventStores: readonly Broken[] = [
  {
    fault: 'gives the last claim to the next worker too',
    check: 'C-02',
    events: (healthy) => {
      let last: readonly ClaimedEvent[] = []
      return {
        claim: async (request) => {
          const claimed = await healthy.claim(request)
          const events = [...last, ...claimed.events]
          last = claimed.events
          return { ...claimed, events }
        },
      }
    },
  },
  {
    fault: 'gives one event in a hundred to two workers',
    check: 'C-01',
    events: (healthy) => {
      const claims = { count: 0 }
      return {
        claim: async (request) => {
          const claimed = await healthy.claim(request)
          claims.count += 1
          return claims.count % 4 === 0
            ? { ...claimed, events: [...claimed.events, ...claimed.events.slice(0, 1)] }
            : claimed
        },
      }
    },
  },
  {
    fault: 'loses the newest event of a batch',
    check: 'C-01',
    events: (healthy) => ({
      append: async (events, worker) => {
        const stored = await healthy.append(events.slice(0, Math.max(1, events.length - 1)), worker)
        return [...stored, ...stored.slice(-1)].slice(0, events.length)
      },
    }),
  },
  { fault: 'claims the newest first', check: 'C-18d', ...changeClaimed((events) => events.toReversed()) },
  {
    fault: 'forgets the last event of a claim',
    check: 'C-18',
    ...changeClaimed((events) => (events.length > 50 ? events.slice(0, -1) : events)),
  },
  {
    fault: 'claims more than the limit',
    check: 'C-03',
    events: (healthy) => ({ claim: (request) => healthy.claim({ ...request, limit: request.limit + 1 }) }),
  },
  {
    fault: 'looks at the type alone, not at the version',
    check: 'C-03b',
    events: (healthy) => ({
      claim: ({ types, ...request }) =>
        healthy.claim({ ...request, types: types.flatMap((type) => [type, { ...type, version: 2 }]) }),
    }),
  },
  {
    fault: 'lets serial events use up a claim',
    check: 'C-03c',
    events: (healthy) => ({ claim: (request) => healthy.claim({ ...request, serialLimit: request.limit }) }),
  },
  {
    fault: 'completes by id alone',
    check: 'C-04',
    events: (healthy) => {
      const { tokens, claim } = rememberTokens(healthy)
      return {
        claim,
        report: (reports) =>
          healthy.report(
            reports.map((report) => ({
              ...report,
              lease: { ...report.lease, token: tokens.get(report.lease.key) ?? '' },
            })),
          ),
      }
    },
  },
  {
    fault: 'checks a token without looking whose it is',
    check: 'C-04b',
    events: (healthy) => {
      const { tokens, claim } = rememberTokens(healthy)
      return {
        claim,
        report: (reports) =>
          healthy.report(
            reports.map((report) => {
              const known = [...tokens.values()].includes(report.lease.token)
              return known
                ? { ...report, lease: { ...report.lease, token: tokens.get(report.lease.key) ?? '' } }
                : report
            }),
          ),
      }
    },
  },
  {
    fault: 'answers `ok` to everything',
    check: 'C-04c',
    events: (healthy) => ({
      report: async (reports) => (await healthy.report(reports)).map((answer) => ({ ...answer, status: 'ok' })),
    }),
  },
  {
    fault: 'lets one lost report fail its batch',
    check: 'C-04d',
    events: (healthy) => ({
      report: async (reports) => {
        const answers = await healthy.report(reports)
        return answers.some(({ status }) => status === 'lost') ? answers.map(() => ({ status: 'lost' })) : answers
      },
    }),
  },
  {
    fault: 'makes a released event wait',
    check: 'C-13',
    ...changeReports((report) =>
      report.kind === 'release' ? { kind: 'retry', lease: report.lease, progress: {}, delayMs: 1_000 } : report,
    ),
  },
  {
    fault: 'gives nothing back when a worker leaves',
    check: 'C-13b',
    events: () => ({ leave: () => Promise.resolve(0) }),
  },
  {
    fault: 'rescues a live worker',
    check: 'C-06',
    events: (healthy) => {
      const workers = new Set<string>()
      return {
        join: async (facts) => {
          const joined = await healthy.join(facts)
          workers.add(joined.worker)
          return joined
        },
        sweep: async () => {
          const swept = await healthy.sweep()
          let rescued = 0
          for (const worker of workers) rescued += await healthy.leave(worker)
          return { ...swept, rescued }
        },
      }
    },
  },
  {
    fault: 'never rescues anybody',
    check: 'C-07',
    events: () => ({
      sweep: () => Promise.resolve({ readied: 0, rescued: 0, deadWorkers: 0, nextDueInMs: undefined }),
    }),
  },
  {
    fault: 'takes workers of one name for one',
    check: 'C-14',
    events: (healthy) => {
      const byName = new Map<string, Promise<{ readonly worker: string; readonly now: number }>>()
      return {
        join: ({ name }) => {
          const joined = byName.get(name) ?? healthy.join({ name })
          byName.set(name, joined)
          return joined
        },
      }
    },
  },
  {
    fault: 'counts a start only after the claim, if at all',
    check: 'C-11',
    events: (healthy) => ({
      claim: async (request) => {
        const claimed = await healthy.claim({ ...request, start: 0 })
        return {
          ...claimed,
          events: claimed.events.map((event, index) => ({ ...event, started: index < request.start })),
        }
      },
    }),
  },
  {
    fault: 'counts what was claimed ahead as started',
    check: 'C-11',
    events: (healthy) => ({ claim: (request) => healthy.claim({ ...request, start: request.start && request.limit }) }),
  },
  {
    fault: 'counts a whole lane as started',
    check: 'C-11f',
    events: (healthy) => ({ claim: (request) => healthy.claim({ ...request, laneStart: request.limit }) }),
  },
  {
    fault: 'counts no start of an event that kills its process',
    check: 'C-12',
    events: (healthy) => ({
      claim: async (request) => {
        const claimed = await healthy.claim(request)
        const started = claimed.events.filter((event) => event.started)
        await healthy.report(started.map(({ lease, progress }) => ({ kind: 'progress', lease, progress })))
        return claimed
      },
    }),
  },
  {
    fault: 'runs an event again that must not be',
    check: 'C-62',
    ...changeAppended((event) => ({ ...event, onCrash: 'retry' })),
  },
  {
    fault: 'gives events up without a word',
    check: 'C-62c',
    events: (healthy) => ({ sweep: async () => ({ ...(await healthy.sweep()), givenUp: undefined }) }),
  },
  {
    fault: 'is a millisecond early',
    check: 'C-16',
    ...changeAppended((event) =>
      event.due !== undefined && 'delayMs' in event.due ? { ...event, due: { delayMs: event.due.delayMs - 1 } } : event,
    ),
  },
  {
    fault: 'keeps due times to the second',
    check: 'C-17',
    ...changeAppended((event) =>
      event.due !== undefined && 'at' in event.due
        ? { ...event, due: { at: Math.round(event.due.at / 1_000) * 1_000 } }
        : event,
    ),
  },
  {
    fault: 'forgets the order offset',
    check: 'C-18b',
    ...changeAppended((event) => ({ ...event, orderOffsetMs: 0 })),
  },
  {
    fault: 'says that it cancelled what is running',
    check: 'C-19b',
    events: (healthy) => ({ cancel: (key) => healthy.cancel(key).then(() => 'cancelled') }),
  },
  {
    fault: 'deletes what it cannot read',
    check: 'C-24',
    ...changeReports((report) => (report.kind === 'undecodable' ? { kind: 'complete', lease: report.lease } : report)),
  },
  {
    fault: 'drops unknown types',
    check: 'C-24b',
    events: (healthy, inspect) => ({
      claim: async (request) => {
        for (const { key, message } of (await inspect.list()).entries) {
          const known = request.types.some(({ type, version }) => type === message.type && version === message.version)
          if (!known) await healthy.cancel(key)
        }
        return await healthy.claim(request)
      },
    }),
  },
  {
    fault: 'takes due times from the clock of the process',
    check: 'C-29',
    ...changeAppended((event) =>
      event.due !== undefined && 'delayMs' in event.due
        ? { ...event, due: { delayMs: event.due.delayMs + processClockErrorMs() } }
        : event,
    ),
  },
]
