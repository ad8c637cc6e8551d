import { createBus, defineCommand, type Logger } from '@buslane/core'
import { postgresPersistence } from '@buslane/persistence-postgres'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApprovalGranted, ApprovalRequested, approvals, type ApprovalsOptions } from '../src/index.ts'
import { connectionString, dropSchema, freshSchema } from './support/postgres.ts'

const Do = defineCommand<{ n: number }, number>('do', { approval: { required: true } })
const Hurried = defineCommand('hurried', { approval: { required: true, expiresInMs: 100 } })
const logger: Logger = { debug() {}, info() {}, warn() {}, error() {} }

let schema: string
const opened: (() => Promise<unknown>)[] = []

beforeEach(() => {
  schema = freshSchema()
})

afterEach(async () => {
  for (const close of opened.splice(0)) await close()
  await dropSchema(schema)
})

interface Opening {
  readonly notify?: boolean
  readonly start?: boolean
  readonly desk?: ApprovalsOptions
}

const open = async ({ notify = true, start = true, desk: options }: Opening = {}) => {
  const desk = approvals(options)
  const persistence = postgresPersistence({ connectionString, schema, notify, pollMs: 50, logger })
  const bus = createBus({ persistence, logger, plugins: [desk] })
  opened.push(async () => {
    await bus.stop()
    await persistence.close()
  })
  if (start) await bus.start()
  return { bus, desk, persistence }
}

describe('on Postgres', () => {
  it.each([true, false])(
    'who waits in one process hears of what was decided in another, with hints: %s',
    async (notify) => {
      const one = await open({ notify })
      const other = await open({ notify })
      one.bus.handle(Do, ({ payload }) => payload.n + 1)
      const result = one.bus.execute(Do({ n: 1 }), { waitForApproval: true, approvalId: 'a' })
      await expect.poll(() => other.desk.get('a')).toBeDefined()
      expect(await other.desk.approve('a', { by: 'ada' })).toMatchObject({ status: 'granted' })
      expect(await result).toMatchObject({ success: true, value: 2 })
      expect(await other.desk.get('a')).toMatchObject({ state: { is: 'succeeded', value: 2 } })
    },
  )

  it('who waits in one process hears of what ran in another', async () => {
    const one = await open()
    const other = await open()
    other.bus.handle(Do, ({ payload }) => payload.n + 1)
    const slow = Promise.withResolvers<number>()
    one.bus.handle(Do, () => slow.promise)
    await one.bus.execute(Do({ n: 1 }), { approvalId: 'a' })
    await one.desk.approve('a', { by: 'ada' })
    const elsewhere = other.bus.execute(Do({ n: 1 }), { approvalId: 'a' })
    slow.resolve(2)
    expect(await elsewhere).toMatchObject({ success: true, value: 2 })
  })

  it('a process that only decides need not start its bus', async () => {
    const one = await open()
    one.bus.handle(Do, ({ payload }) => payload.n)
    const deciding = await open({ start: false })
    expect((await deciding.desk.list()).entries).toEqual([])
    await one.bus.execute(Do({ n: 1 }), { approvalId: 'a' })
    await deciding.desk.approve('a', { by: 'ada' })
    await expect.poll(() => one.desk.get('a')).toMatchObject({ state: { is: 'succeeded' } })
  })

  it('tells of requests and decisions by durable events, which leave nothing behind', async () => {
    const { bus, desk, persistence } = await open()
    bus.handle(Do, ({ payload }) => payload.n)
    const heard: string[] = []
    bus.on(ApprovalRequested, ({ payload }) => void heard.push(`requested ${payload.approvalId}`), { name: 'h' })
    bus.on(ApprovalGranted, ({ payload }) => void heard.push(`granted by ${payload.by}`), { name: 'h' })
    await bus.execute(Do({ n: 1 }), { approvalId: 'a' })
    await desk.approve('a', { by: 'ada' })
    await expect.poll(() => heard.toSorted()).toEqual(['granted by ada', 'requested a'])
    await expect
      .poll(async () => {
        const { ready, running, unhandled, scheduled } = await persistence.inspect.counts()
        return ready + running + unhandled + scheduled
      })
      .toBe(0)
  })

  it('expires by the clock of the database', async () => {
    const { bus, desk } = await open()
    bus.handle(Hurried, () => {})
    const result = await bus.execute(Hurried(), { waitForApproval: true, approvalId: 'a' })
    expect(result).toMatchObject({ error: { code: 'APPROVAL_EXPIRED' } })
    const { requestedAt, expiresAt, state } = (await desk.get('a'))!
    expect(expiresAt).toBe(requestedAt + 100)
    expect((state as { at: number }).at).toBeGreaterThanOrEqual(expiresAt!)
  })

  it('two that race for one approval decide it once, on many connections', async () => {
    const one = await open()
    const other = await open()
    one.bus.handle(Do, ({ payload }) => payload.n)
    const ids = Array.from({ length: 10 }, (_, index) => `a${index}`)
    await Promise.all(ids.map((approvalId) => one.bus.execute(Do({ n: 1 }), { approvalId })))
    const answers = await Promise.all(
      ids.map((id) =>
        Promise.all([
          one.desk.approve(id, { by: 'ada' }),
          other.desk.deny(id, { by: 'bob' }),
          other.desk.cancel(id, { by: 'eve' }),
        ]),
      ),
    )
    for (const decided of answers) {
      expect(decided.filter(({ status }) => status === 'already-decided')).toHaveLength(2)
    }
  })

  it('finds those of a status by an index', async () => {
    const { desk } = await open()
    await desk.list()
    const client = new pg.Client({ connectionString })
    await client.connect()
    opened.push(() => client.end())
    await client.query(`
      insert into "${schema}".approvals (id, revision, status, type, session_id, record, added_at, updated_at)
        select 'id ' || n, 1, case when n % 1000 = 0 then 'pending' else 'succeeded' end, 'do', 'BUS', '{}', 0, 0
        from generate_series(1, 20000) n;
      analyze "${schema}".approvals`)
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`
      explain select * from "${schema}".approvals a where a.key > 0 and status = 'pending' order by a.key limit 101`)
    expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toContain('approvals_status')
  })
})
