import { defineCommand, type Persistence } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { VirtualClock } from '@buslane/testkit'
import { describe, expect, it } from 'vitest'
import { ApprovalGranted, ApprovalRequested } from '../src/index.ts'
import { deskBus, type DeskBus } from './support/desk-bus.ts'
import { digits } from './support/schemas.ts'

const Do = defineCommand<{ n: number }, number>('do', { approval: { required: true } })
const Hurried = defineCommand('hurried', { approval: { required: true, expiresInMs: 60_000 } })

/** Two buses that share a store, as two processes do. */
const two = async (): Promise<
  AsyncDisposable & {
    one: DeskBus
    other: DeskBus
    clock: VirtualClock
    persistence: ReturnType<typeof memoryPersistence>
  }
> => {
  const clock = new VirtualClock()
  const persistence = memoryPersistence({ clock })
  const one = await deskBus({ keeps: persistence, clock })
  const other = await deskBus({ keeps: persistence, clock, desk: { commands: [Do] } })
  return {
    one,
    other,
    clock,
    persistence,
    [Symbol.asyncDispose]: async () => {
      await one[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
    },
  }
}

describe('two buses on one store', () => {
  it('run in one what was decided in the other, and tell who waits', async () => {
    await using at = await two()
    at.one.bus.handle(Do, ({ payload }) => payload.n + 1)
    const result = at.one.bus.execute(Do({ n: 1 }), { waitForApproval: true, approvalId: 'a' })
    await at.clock.settle()
    expect(await at.other.desk.approve('a', { by: 'ada' })).toMatchObject({ status: 'granted' })
    await at.clock.advance(5000)
    expect(await result).toMatchObject({ success: true, value: 2 })
  })

  it('edit in one that has no handler, if it is given the command', async () => {
    await using at = await two()
    at.one.bus.handle(Do, ({ payload }) => payload.n + 1)
    const result = at.one.bus.execute(Do({ n: 1 }), { waitForApproval: true, approvalId: 'a' })
    await at.clock.settle()
    await at.other.desk.approve('a', { by: 'ada', edit: () => ({ n: 10 }) })
    await at.clock.advance(5000)
    expect(await result).toMatchObject({ value: 11 })
  })

  it('give who waits the error of a handler that failed elsewhere, as the cause', async () => {
    await using at = await two()
    at.one.bus.handle(Do, () => {
      throw new TypeError('no n')
    })
    await at.one.bus.execute(Do({ n: 1 }), { approvalId: 'a' })
    at.other.bus.handle(Do, () => 0)
    await at.other.bus.stop({ timeoutMs: 0 })
    await at.one.desk.approve('a', { by: 'ada' })
    await at.clock.advance(5000)
    const result = await at.other.bus.start().then(() => at.other.bus.execute(Do({ n: 1 }), { approvalId: 'a' }))
    expect(result).toMatchObject({
      error: { code: 'HANDLER_FAILED', cause: { name: 'TypeError', message: 'no n' } },
    })
  })
})

describe('in a store', () => {
  it('leaves nothing there that nobody handles', async () => {
    const clock = new VirtualClock()
    const persistence = memoryPersistence({ clock })
    await using at = await deskBus({ keeps: persistence, clock })
    at.bus.handle(Do, ({ payload }) => payload.n)
    await at.bus.execute(Do({ n: 1 }), { approvalId: 'a' })
    await at.desk.approve('a', { by: 'ada' })
    await clock.advance(5000)
    const { ready, unhandled, scheduled, running } = await persistence.inspect.counts()
    expect({ ready, unhandled, scheduled, running }).toEqual({ ready: 0, unhandled: 0, scheduled: 0, running: 0 })
  })

  it('R-DUR-2 stores the events of a decision with it: they come after a restart', async () => {
    const clock = new VirtualClock()
    const persistence = memoryPersistence({ clock })
    const first = await deskBus({ keeps: persistence, clock })
    first.bus.handle(Do, ({ payload }) => payload.n)
    for (const Type of [ApprovalRequested, ApprovalGranted])
      first.bus.on(Type as typeof ApprovalGranted, () => {}, { name: 'h' })
    await first.bus.execute(Do({ n: 1 }), { approvalId: 'a' })
    await clock.settle()
    // As a process that dies with the commit.
    const decided = first.desk.approve('a', { by: 'ada' })
    const crashed = await decided.then(() => persistence.snapshot())
    await first[Symbol.asyncDispose]()
    persistence.restore(crashed)
    await using next = await deskBus({ keeps: persistence, clock })
    const heard: string[] = []
    next.bus.on(ApprovalGranted, ({ payload }) => void heard.push(payload.by), { name: 'h' })
    next.bus.handle(Do, ({ payload }) => payload.n)
    await clock.advance(10_000)
    expect(heard).toEqual(['ada'])
    expect(await next.desk.get('a')).toMatchObject({ state: { is: 'succeeded', attempt: 1 } })
  })

  it('refuses a yes that comes after the time, though nobody noticed that it was over', async () => {
    const clock = new VirtualClock()
    const persistence = memoryPersistence({ clock })
    const first = await deskBus({ keeps: persistence, clock })
    first.bus.handle(Hurried, () => {})
    await first.bus.execute(Hurried(), { approvalId: 'a' })
    await first.bus.stop()
    await clock.advance(60_000)
    expect(await first.desk.get('a')).toMatchObject({ state: { is: 'pending' } })
    expect(await first.desk.approve('a', { by: 'ada' })).toMatchObject({
      status: 'already-decided',
      approval: { state: { is: 'expired' } },
    })
  })

  it('R-DUR-9 reads a command of an older version by its upcast', async () => {
    const clock = new VirtualClock()
    const persistence = memoryPersistence({ clock })
    const approval = { required: true } as const
    const Old = defineCommand<{ name: string }, string>('rename', { approval })
    const New = defineCommand<{ to: string }, string>('rename', {
      approval,
      version: 2,
      upcast: { 1: ({ name }: { name: string }) => ({ to: name }) },
    })
    const first = await deskBus({ keeps: persistence, clock })
    first.bus.handle(Old, () => '')
    await first.bus.execute(Old({ name: 'x' }), { approvalId: 'a' })
    await first[Symbol.asyncDispose]()
    await using next = await deskBus({ keeps: persistence, clock })
    next.bus.handle(New, ({ payload }) => payload.to)
    await next.desk.approve('a', { by: 'ada' })
    await clock.advance(5000)
    expect(await next.desk.get('a')).toMatchObject({ version: 1, state: { is: 'succeeded', value: 'x' } })
  })

  it('R-DUR-9 leaves an approved command of a version that is not known here to who knows it', async () => {
    const clock = new VirtualClock()
    const persistence = memoryPersistence({ clock })
    const approval = { required: true } as const
    const New = defineCommand<{ to: string }, string>('rename', { approval, version: 2 })
    const first = await deskBus({ keeps: persistence, clock })
    first.bus.handle(New, ({ payload }) => payload.to)
    await first.bus.execute(New({ to: 'x' }), { approvalId: 'a' })
    await first[Symbol.asyncDispose]()
    const old = await deskBus({ keeps: persistence, clock })
    old.bus.handle(defineCommand<{ name: string }, string>('rename', { approval }), () => 'wrong')
    await old.desk.approve('a', { by: 'ada' })
    await clock.advance(5000)
    expect(await old.desk.get('a')).toMatchObject({ state: { is: 'approved' } })
    await old[Symbol.asyncDispose]()
    await using next = await deskBus({ keeps: persistence, clock })
    next.bus.handle(New, ({ payload }) => payload.to)
    await clock.advance(5000)
    expect(await next.desk.get('a')).toMatchObject({ state: { is: 'succeeded', value: 'x' } })
  })

  it('keeps an approval of a session that has ended, and gives it to that session when it is opened again', async () => {
    await using at = await deskBus({ keeps: 'store' })
    const session = at.bus.session('chat')
    session.handle(Do, () => 1)
    await session.execute(Do({ n: 1 }), { approvalId: 'a' })
    await session.end()
    await at.desk.approve('a', { by: 'ada' })
    await at.clock.settle()
    expect(await at.desk.get('a')).toMatchObject({ sessionId: 'chat', state: { is: 'approved' } })
    at.bus.session('chat').handle(Do, () => 2)
    await at.clock.settle()
    expect(await at.desk.get('a')).toMatchObject({ state: { is: 'succeeded', value: 2 } })
  })

  it('gives a result that is no JSON to who waits in the process that ran it, and says so elsewhere', async () => {
    await using at = await deskBus({ keeps: 'store' })
    const Read = defineCommand<undefined, Map<string, number>>('read', { approval: { required: true } })
    at.bus.handle(Read, () => new Map([['a', 1]]))
    const result = at.bus.execute(Read(), { waitForApproval: true, approvalId: 'a' })
    await at.clock.settle()
    await at.desk.approve('a', { by: 'ada' })
    await at.clock.settle()
    expect(await result).toMatchObject({ success: true, value: new Map([['a', 1]]) })
    expect(await at.bus.execute(Read(), { approvalId: 'a' })).toMatchObject({ error: { code: 'INVALID_RESULT' } })
    expect(at.logged.filter((line) => line.includes("The result of the approved 'read' cannot be kept"))).toHaveLength(
      1,
    )
  })

  it('keeps the payload as it was given, and parses it once, before the handler', async () => {
    await using at = await deskBus({ keeps: 'store' })
    const Count = defineCommand('count', { schema: digits, resultSchema: digits, approval: { required: true } })
    at.bus.handle(Count, ({ payload }) => String(payload + 1) as never)
    const result = at.bus.execute(Count('41'), { waitForApproval: true, approvalId: 'a' })
    await at.clock.settle()
    expect(await at.desk.get('a')).toMatchObject({ payload: '41' })
    await at.desk.approve('a', { by: 'ada' })
    await at.clock.settle()
    expect(await result).toMatchObject({ value: 42 })
  })

  it('R-DUR-9 shows an approval whose payload cannot be read here', async () => {
    const clock = new VirtualClock()
    let isReadable = true
    const decode = (text: string): unknown => {
      if (!isReadable) throw new Error('another key')
      return JSON.parse(text)
    }
    const persistence = memoryPersistence({ clock, codec: { encode: (payload) => JSON.stringify(payload), decode } })
    await using at = await deskBus({ keeps: persistence, clock })
    at.bus.handle(Do, () => 1)
    await at.bus.execute(Do({ n: 1 }), { approvalId: 'a' })
    expect(await at.desk.get('a')).toMatchObject({ payload: { n: 1 } })
    isReadable = false
    expect((await at.desk.list()).entries).toMatchObject([{ id: 'a', payload: undefined }])
  })

  it('refuses an edit that does not fit the schema, and leaves the approval as it is', async () => {
    await using at = await deskBus({ keeps: 'store' })
    const Count = defineCommand('count', { schema: digits, approval: { required: true } })
    at.bus.handle(Count, () => {})
    await at.bus.execute(Count('41'), { approvalId: 'a' })
    await expect(at.desk.approve('a', { by: 'ada', edit: () => 'x' })).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
    })
    expect(await at.desk.get('a')).toMatchObject({ state: { is: 'pending' }, edits: [] })
  })

  it('refuses an edit of a command that is not known here', async () => {
    await using at = await two()
    at.one.bus.handle(Hurried, () => {})
    await at.one.bus.execute(Hurried(), { approvalId: 'a' })
    await expect(at.other.desk.approve('a', { by: 'ada', edit: () => 1 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('commands') as string,
    })
  })

  it('fails a command with PERSISTENCE_UNAVAILABLE, and does not run it, while the store is away', async () => {
    const clock = new VirtualClock()
    const persistence = memoryPersistence({ clock })
    const away = { ...bound(persistence.approvals), add: () => Promise.reject(new Error('connection refused')) }
    const broken: Persistence = { ...persistence, approvals: away }
    await using at = await deskBus({ keeps: broken, clock })
    let runs = 0
    at.bus.handle(Do, () => ++runs)
    expect(await at.bus.execute(Do({ n: 1 }))).toMatchObject({ error: { code: 'PERSISTENCE_UNAVAILABLE' } })
    expect(runs).toBe(0)
  })

  it('writes down what became of a run once the store is back', async () => {
    const clock = new VirtualClock()
    const persistence = memoryPersistence({ clock })
    const { approvals } = persistence
    let isAway = false
    const flaky = {
      ...bound(approvals),
      get: (id: string) => (isAway ? Promise.reject(new Error('connection refused')) : approvals.get(id)),
    }
    await using at = await deskBus({ keeps: { ...persistence, approvals: flaky }, clock })
    at.bus.handle(Do, () => {
      isAway = true
      return 1
    })
    await at.bus.execute(Do({ n: 1 }), { approvalId: 'a' })
    await at.desk.approve('a', { by: 'ada' })
    await clock.advance(1000)
    isAway = false
    await clock.advance(3000)
    expect(await at.desk.get('a')).toMatchObject({ state: { is: 'succeeded', attempt: 1 } })
  })

  it('expires what is due while the store is away, once that is back', async () => {
    const clock = new VirtualClock()
    const persistence = memoryPersistence({ clock })
    const { approvals } = persistence
    let isAway = false
    const flaky = {
      ...bound(approvals),
      get: (id: string) => (isAway ? Promise.reject(new Error('connection refused')) : approvals.get(id)),
    }
    await using at = await deskBus({ keeps: { ...persistence, approvals: flaky }, clock })
    at.bus.handle(Hurried, () => {})
    const result = at.bus.execute(Hurried(), { waitForApproval: true, approvalId: 'a' })
    await clock.settle()
    isAway = true
    await clock.advance(70_000)
    isAway = false
    await clock.advance(5000)
    expect(await result).toMatchObject({ error: { code: 'APPROVAL_EXPIRED' } })
  })

  it('writes down that a failure was the last one, once the store is back', async () => {
    const clock = new VirtualClock()
    const persistence = memoryPersistence({ clock })
    const { approvals } = persistence
    let updates = 0
    const flaky = {
      ...bound(approvals),
      update: (...given: Parameters<typeof approvals.update>) =>
        // The third says that the failure, which the second told of, was the last: its first tries are refused.
        [4, 5, 6].includes(++updates) ? Promise.reject(new Error('connection refused')) : approvals.update(...given),
    }
    await using at = await deskBus({ keeps: { ...persistence, approvals: flaky }, clock })
    at.bus.handle(Do, () => Promise.reject(new Error('no')))
    await at.bus.execute(Do({ n: 1 }), { approvalId: 'a' })
    await at.desk.approve('a', { by: 'ada' })
    await clock.advance(5000)
    expect(updates).toBeGreaterThan(6)
    expect(await at.desk.get('a')).toMatchObject({ state: { is: 'failed', isFinal: true } })
  })

  it('R-STOP-1 gives back what it aborts at stop: the next process finds it interrupted', async () => {
    const clock = new VirtualClock()
    const persistence = memoryPersistence({ clock })
    const first = await deskBus({ keeps: persistence, clock })
    first.bus.handle(
      Do,
      (_command, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        }),
    )
    await first.bus.execute(Do({ n: 1 }), { approvalId: 'a' })
    await first.desk.approve('a', { by: 'ada' })
    await clock.settle()
    await first.bus.stop({ timeoutMs: 0 })
    await using next = await deskBus({ keeps: persistence, clock })
    next.bus.handle(Do, () => 1)
    await clock.advance(5000)
    expect(await next.desk.get('a')).toMatchObject({ state: { is: 'interrupted' } })
  })
})

const bound = <Store extends object>(store: Store): Store => {
  const own: Record<string, unknown> = { ...(store as Record<string, unknown>) }
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(store))) {
    const member: unknown = store[name as keyof Store]
    own[name] = typeof member === 'function' ? member.bind(store) : member
  }
  return own as Store
}
