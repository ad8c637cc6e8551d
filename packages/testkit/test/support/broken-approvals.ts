import { memoryPersistence } from '@buslane/persistence-memory'
import type { Broken } from './broken-events.ts'

/** As one that looks, thinks, and then acts. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export const brokenApprovalStores: readonly Broken[] = [
  {
    fault: 'parses the record of an approval, and writes it anew',
    check: 'A-01',
    approvals: (healthy) => ({
      add: (approval, then) => healthy.add({ ...approval, record: JSON.stringify(JSON.parse(approval.record)) }, then),
    }),
  },
  {
    fault: 'replaces an approval by a second one of its id',
    check: 'A-02',
    approvals: (healthy) => ({
      add: async (approval, then) => {
        const before = await healthy.get(approval.id)
        if (before) await healthy.discard(before)
        const answer = await healthy.add(approval, then)
        return before ? 'exists' : answer
      },
    }),
  },
  {
    fault: 'appends what follows from an approval that exists already',
    check: 'A-02',
    approvals: (healthy, events) => ({
      add: async (approval, then) => {
        const answer = await healthy.add(approval, [])
        await events.append(then, undefined)
        return answer
      },
    }),
  },
  {
    fault: 'looks whether an id is free, and takes it later',
    check: 'A-02b',
    approvals: (healthy, events) => ({
      add: async (approval, then) => {
        if (await healthy.get(approval.id)) return 'exists'
        await turn()
        await healthy.add(approval, [])
        await events.append(then, undefined)
        return 'added'
      },
    }),
  },
  {
    fault: 'forgets what follows from a new approval',
    check: 'A-03',
    approvals: (healthy) => ({ add: (approval) => healthy.add(approval, []) }),
  },
  {
    fault: 'appends what follows from an approval without its time',
    check: 'A-03',
    approvals: (healthy) => ({
      add: (approval, then) =>
        healthy.add(
          approval,
          then.map((event) => ({ ...event, due: undefined })),
        ),
    }),
  },
  {
    fault: 'updates any revision of an approval',
    check: 'A-04',
    approvals: (healthy) => ({
      update: async ({ id }, change, then) => {
        const now = await healthy.get(id)
        return now ? healthy.update(now, change, then) : 'stale'
      },
    }),
  },
  {
    fault: 'appends what follows from a stale update',
    check: 'A-04',
    approvals: (healthy, events) => ({
      update: async (at, change, then) => {
        await events.append(then, undefined)
        return healthy.update(at, change, [])
      },
    }),
  },
  {
    fault: 'compares the revision of an approval, and sets it later',
    check: 'A-04b',
    approvals: (healthy) => ({
      update: async ({ id, revision }, change, then) => {
        if ((await healthy.get(id))?.revision !== revision) return 'stale'
        await turn()
        return healthy.update((await healthy.get(id))!, change, then)
      },
    }),
  },
  {
    fault: 'says that an approval was updated when it was added',
    check: 'A-05',
    approvals: (healthy) => ({
      get: async (id) => {
        const found = await healthy.get(id)
        return found && { ...found, updatedAt: found.addedAt }
      },
    }),
  },
  {
    fault: 'pages approvals by position',
    check: 'A-06',
    approvals: (healthy) => ({
      list: async ({ limit = 100, cursor = '0', ...query } = {}) => {
        const { entries } = await healthy.list({ ...query, limit: 1000 })
        const end = Number(cursor) + limit
        return { entries: entries.slice(Number(cursor), end), next: end < entries.length ? String(end) : undefined }
      },
    }),
  },
  {
    fault: 'lists the newest approvals first',
    check: 'A-06',
    approvals: (healthy) => ({
      list: async (query) => {
        const page = await healthy.list(query)
        return { ...page, entries: page.entries.toReversed() }
      },
    }),
  },
  {
    fault: 'ignores the session in a query of approvals',
    check: 'A-06b',
    approvals: (healthy) => ({ list: (query) => healthy.list({ ...query, sessionId: undefined }) }),
  },
  {
    fault: 'discards any revision of an approval',
    check: 'A-07',
    approvals: (healthy) => ({
      discard: async ({ id }) => {
        const now = await healthy.get(id)
        return now ? healthy.discard(now) : 'stale'
      },
    }),
  },
  {
    fault: 'keeps approvals beside what it saves',
    check: 'A-08',
    approvals: () => {
      const { approvals } = memoryPersistence()
      return {
        add: (approval, then) => approvals.add(approval, then),
        get: (id) => approvals.get(id),
        update: (at, change, then) => approvals.update(at, change, then),
      }
    },
  },
]
