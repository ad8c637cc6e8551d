import type { DeadLetter, NewEvent } from '@buslane/core'
import { PLAIN_EVENT } from '@buslane/testkit/conformance'
import type { Broken } from './broken-events.ts'

export const brokenDeadLetterStores: readonly Broken[] = [
  {
    fault: 'replays twice',
    check: 'C-49',
    deadLetters: (healthy, events) => ({
      replay: async (key) => {
        const letter = await healthy.get(key)
        const answer = await healthy.replay(key)
        if (letter !== undefined) await events.append([copyOf(letter)], undefined)
        return answer
      },
    }),
  },
  {
    fault: 'keeps the letter of what it replayed',
    check: 'C-48',
    deadLetters: (healthy) => ({
      replay: async (key) => {
        const letter = await healthy.get(key)
        const answer = await healthy.replay(key)
        if (letter !== undefined) await healthy.add(letter)
        return answer
      },
    }),
  },
  {
    fault: 'removes the letter, and puts nothing back',
    check: 'C-47',
    deadLetters: (healthy) => ({
      replay: async (key) => ((await healthy.discard([key])) === 1 ? 'replayed' : 'gone'),
    }),
  },
  {
    fault: 'forgets which handlers a letter is about',
    check: 'C-47c',
    deadLetters: (healthy) => ({ add: (letter) => healthy.add({ ...letter, handlers: undefined }) }),
  },
  {
    fault: 'replays as if it were new',
    check: 'C-50',
    deadLetters: (healthy, events) => ({
      replay: async (key) => {
        const letter = await healthy.get(key)
        if (letter === undefined) return 'gone'
        await healthy.discard([key])
        await events.append([copyOf(letter)], undefined)
        return 'replayed'
      },
    }),
  },
  {
    fault: 'ignores an edit',
    check: 'C-52',
    deadLetters: (healthy) => ({ replay: (key) => healthy.replay(key) }),
  },
  {
    fault: 'drops the errors of an event that is given up',
    check: 'C-45',
    events: (healthy) => ({
      report: (reports) =>
        healthy.report(reports.map((report) => (report.kind === 'dead' ? { ...report, error: undefined } : report))),
    }),
  },
  {
    fault: 'cuts errors short',
    check: 'C-46',
    deadLetters: (healthy) => ({
      add: (letter) =>
        healthy.add({
          ...letter,
          error: letter.error && { ...letter.error, message: letter.error.message.slice(0, 3) },
        }),
    }),
  },
  {
    fault: 'pages by position',
    check: 'C-56',
    deadLetters: (healthy) => ({
      list: async ({ limit = 100, cursor = '0', ...query } = {}) => {
        const { entries } = await healthy.list({ ...query, limit: 1_000 })
        const end = Number(cursor) + limit
        return { entries: entries.slice(Number(cursor), end), next: end < entries.length ? String(end) : undefined }
      },
    }),
  },
  {
    fault: 'lists the newest first',
    check: 'C-56',
    deadLetters: (healthy) => ({
      list: async (query) => {
        const page = await healthy.list(query)
        return { ...page, entries: page.entries.toReversed() }
      },
    }),
  },
  {
    fault: 'ignores the time in a query',
    check: 'C-56b',
    deadLetters: (healthy) => ({ list: (query) => healthy.list({ ...query, since: undefined, until: undefined }) }),
  },
  {
    fault: 'says that all was discarded',
    check: 'C-56d',
    deadLetters: (healthy) => ({ discard: (keys) => healthy.discard(keys).then(() => keys.length) }),
  },
]

function copyOf({ message }: DeadLetter): NewEvent {
  return {
    message,
    ...PLAIN_EVENT,
  }
}
