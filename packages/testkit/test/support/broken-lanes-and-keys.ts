import type { Broken } from './broken-events.ts'
import { changeAppended } from './delegate.ts'

export const brokenLanesAndKeys: readonly Broken[] = [
  { fault: 'ignores lanes', check: 'L-01', ...changeAppended((event) => ({ ...event, lane: undefined })) },
  { fault: 'ignores lanes in a race', check: 'L-12', ...changeAppended((event) => ({ ...event, lane: undefined })) },
  {
    fault: 'puts all lanes into one',
    check: 'L-16',
    ...changeAppended((event) => ({ ...event, lane: event.lane === undefined ? undefined : 'one' })),
  },
  {
    fault: 'does not count what a worker holds of a lane already',
    check: 'L-03',
    events: (healthy) => ({ claim: (request) => healthy.claim({ ...request, laneLimit: request.laneLimit * 2 }) }),
  },
  {
    fault: 'lets a lane go on while its first event waits for a retry',
    check: 'L-04',
    events: (healthy) => ({
      report: (reports) =>
        healthy.report(
          reports.map((report) =>
            report.kind === 'retry' ? { kind: 'defer', lease: report.lease, delayMs: report.delayMs } : report,
          ),
        ),
    }),
  },
  {
    fault: 'forgets progress that comes with a release',
    check: 'L-06',
    events: (healthy) => ({
      report: (reports) =>
        healthy.report(
          reports.map((report) => (report.kind === 'release' ? { ...report, progress: undefined } : report)),
        ),
    }),
  },
  {
    fault: 'never says that something overtakes',
    check: 'L-09',
    events: (healthy) => ({
      report: async (reports) => (await healthy.report(reports)).map(({ status }) => ({ status })),
    }),
  },
  {
    fault: 'passes paused events by',
    check: 'L-08',
    events: (healthy) => ({
      claim: (request) => healthy.claim({ ...request, types: request.types.filter(({ paused }) => paused !== true) }),
    }),
  },
  {
    fault: 'keeps nothing for the worker that appends',
    check: 'K-01',
    ...changeAppended((event) => ({ ...event, keep: undefined })),
  },
  {
    fault: 'says of every kept event that it is started',
    check: 'K-04',
    events: (healthy) => ({
      append: async (events, worker) =>
        (await healthy.append(events, worker)).map((answer) =>
          answer.status === 'stored' ? { ...answer, started: answer.lease !== undefined } : answer,
        ),
    }),
  },
  {
    fault: 'gives an event that is meant for its publisher to anybody',
    check: 'K-08',
    ...changeAppended((event) => ({ ...event, mine: false })),
  },
  {
    fault: 'forgets idempotency',
    check: 'C-34',
    ...changeAppended((event) => ({ ...event, idempotencyKey: undefined })),
  },
  {
    fault: 'looks for a key, waits, and stores',
    check: 'C-35',
    events: (healthy) => {
      const used = new Map<string, string>()
      return {
        append: async (events, worker) => {
          const [event] = events
          const key = event?.idempotencyKey
          const id = key === undefined ? undefined : used.get(key)
          if (id !== undefined) return [{ status: 'duplicate', id }]
          await Promise.resolve()
          if (event !== undefined && key !== undefined) used.set(key, event.message.id)
          return await healthy.append(
            events.map((one) => ({ ...one, idempotencyKey: undefined })),
            worker,
          )
        },
      }
    },
  },
  {
    fault: 'takes a batch with one duplicate for duplicates',
    check: 'C-37',
    events: (healthy) => ({
      append: async (events, worker) => {
        const answers = await healthy.append(events, worker)
        const duplicate = answers.find(({ status }) => status === 'duplicate')
        return duplicate === undefined ? answers : answers.map(() => duplicate)
      },
    }),
  },
  {
    fault: 'compares keys without case and space',
    check: 'C-41',
    ...changeAppended((event) => ({
      ...event,
      idempotencyKey: event.idempotencyKey?.normalize().trim().toLowerCase(),
    })),
  },
  {
    fault: 'takes equal payloads for one message',
    check: 'C-42',
    ...changeAppended((event) => ({ ...event, idempotencyKey: event.idempotencyKey ?? event.message.payload })),
  },
  {
    fault: 'parses payloads and writes them anew',
    check: 'C-42b',
    ...changeAppended((event) => ({
      ...event,
      message: { ...event.message, payload: JSON.stringify(JSON.parse(event.message.payload)) },
    })),
  },
  {
    fault: 'writes at once what is given in a transaction',
    check: 'C-71',
    events: (healthy) => ({
      appendIn: async (_, event) => {
        const [answer] = await healthy.append([event], undefined)
        return answer ?? Promise.reject(new Error('nothing was stored'))
      },
    }),
  },
  {
    fault: 'takes a completion twice',
    check: 'C-38d',
    events: (healthy) => ({
      completeIn: async (transaction, lease, handler, attempts) => {
        await healthy.completeIn?.(transaction, lease, handler, attempts)
        return 'ok'
      },
    }),
  },
  {
    fault: 'writes a completion outside of the transaction',
    check: 'C-38',
    events: (healthy) => ({
      completeIn: async (_, lease, handler, attempts) => {
        const progress = { [handler]: { status: 'done', attempts } } as const
        const [answer] = await healthy.report([{ kind: 'progress', lease, progress }])
        return answer?.status ?? 'lost'
      },
    }),
  },
]
