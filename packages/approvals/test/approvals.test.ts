import { BusError, defineCommand, defineEvent } from '@buslane/core'
import { describe, expect, it } from 'vitest'
import { ApprovalCancelled, ApprovalDenied, ApprovalExpired, ApprovalGranted, ApprovalRequested } from '../src/index.ts'
import { deskBus } from './support/desk-bus.ts'

const Refund = defineCommand<{ order: string; cents: number }, { id: string }>('order.refund', {
  approval: { required: true, expiresInMs: 60_000 },
})
const refund = () => Refund({ order: '7', cents: 500 })
const waiting = { waitForApproval: true, approvalId: 'a' } as const

describe.each(['memory', 'store'] as const)('approvals in %s', (keeps) => {
  it('holds a command back until a person decides', async () => {
    await using at = await deskBus({ keeps })
    let runs = 0
    at.bus.handle(Refund, () => ({ id: `r${++runs}` }))
    const command = refund()
    const result = await at.bus.execute(command)
    expect(result).toMatchObject({
      success: false,
      attempts: 0,
      error: { code: 'APPROVAL_PENDING', approvalId: command.id, decision: undefined, retryable: false },
    })
    expect(await at.desk.get(command.id)).toMatchObject({ type: 'order.refund', state: { is: 'pending' } })
    expect(runs).toBe(0)
  })

  it('gives who waits the own result of the command, once it is approved', async () => {
    await using at = await deskBus({ keeps })
    at.bus.handle(Refund, ({ payload }) => ({ id: payload.order }))
    const result = at.bus.execute(refund(), waiting)
    await at.clock.settle()
    await expect(at.desk.approve('a', { by: 'ada', note: 'fine' })).resolves.toMatchObject({ status: 'granted' })
    await at.clock.settle()
    expect(await result).toMatchObject({ success: true, value: { id: '7' }, attempts: 1 })
    expect(await at.desk.get('a')).toMatchObject({
      state: { is: 'succeeded', attempt: 1, value: { id: '7' }, decision: { by: 'ada', note: 'fine' } },
    })
  })

  it('runs an approved command though nobody waits, once', async () => {
    await using at = await deskBus({ keeps })
    let runs = 0
    at.bus.handle(Refund, () => ({ id: `r${++runs}` }))
    await at.bus.execute(refund(), { approvalId: 'a' })
    await at.desk.approve('a', { by: 'ada' })
    await at.clock.settle()
    expect(runs).toBe(1)
    expect(await at.bus.execute(refund(), { approvalId: 'a' })).toMatchObject({ success: true, value: { id: 'r1' } })
    expect(runs).toBe(1)
  })

  it('gives the error of a handler that throws as the cause of HANDLER_FAILED', async () => {
    await using at = await deskBus({ keeps })
    const thrown = new Error('bank down')
    at.bus.handle(Refund, () => Promise.reject(thrown))
    const result = at.bus.execute(refund(), waiting)
    await at.clock.settle()
    await at.desk.approve('a', { by: 'ada' })
    await at.clock.settle()
    expect(await result).toMatchObject({
      success: false,
      attempts: 1,
      error: { code: 'HANDLER_FAILED', cause: thrown },
    })
    expect(await at.desk.get('a')).toMatchObject({
      state: { is: 'failed', isFinal: true, error: { message: 'bank down' } },
    })
  })

  it('tells who waits that it was denied, by whom and why', async () => {
    await using at = await deskBus({ keeps })
    at.bus.handle(Refund, () => ({ id: '' }))
    const result = at.bus.execute(refund(), waiting)
    await at.clock.settle()
    await at.desk.deny('a', { by: 'ada', note: 'not on a Friday' })
    expect(await result).toMatchObject({
      success: false,
      error: { code: 'APPROVAL_DENIED', approvalId: 'a', decision: { by: 'ada', note: 'not on a Friday' } },
    })
  })

  it('tells who waits that it was cancelled', async () => {
    await using at = await deskBus({ keeps })
    at.bus.handle(Refund, () => ({ id: '' }))
    const result = at.bus.execute(refund(), waiting)
    await at.clock.settle()
    await at.desk.cancel('a', { by: 'bob' })
    expect(await result).toMatchObject({ error: { code: 'APPROVAL_CANCELLED', decision: { by: 'bob' } } })
  })

  it('expires at its time, and not before', async () => {
    await using at = await deskBus({ keeps })
    at.bus.handle(Refund, () => ({ id: '' }))
    const result = at.bus.execute(refund(), waiting)
    await at.clock.advance(59_999)
    expect(await at.desk.get('a')).toMatchObject({ state: { is: 'pending' } })
    await at.clock.advance(1)
    expect(await result).toMatchObject({ error: { code: 'APPROVAL_EXPIRED', approvalId: 'a', decision: undefined } })
    expect(await at.desk.get('a')).toMatchObject({ state: { is: 'expired' } })
  })

  it('refuses a second decision, and shows the first', async () => {
    await using at = await deskBus({ keeps })
    at.bus.handle(Refund, () => ({ id: '' }))
    await at.bus.execute(refund(), { approvalId: 'a' })
    await at.desk.deny('a', { by: 'ada' })
    expect(await at.desk.approve('a', { by: 'bob' })).toMatchObject({
      status: 'already-decided',
      approval: { state: { is: 'denied', decision: { by: 'ada' } } },
    })
  })

  it('answers that an id is unknown', async () => {
    await using at = await deskBus({ keeps })
    expect(await at.desk.approve('x', { by: 'ada' })).toEqual({ status: 'unknown', id: 'x' })
    expect(await at.desk.deny('x\0', { by: 'ada' })).toEqual({ status: 'unknown', id: 'x\0' })
    expect(await at.desk.get('x')).toBeUndefined()
    expect(await at.desk.discard('x')).toBe('unknown')
  })

  it('publishes an event with every change that people care about', async () => {
    await using at = await deskBus({ keeps })
    const heard: unknown[] = []
    for (const Type of [ApprovalRequested, ApprovalGranted, ApprovalDenied, ApprovalExpired, ApprovalCancelled]) {
      at.bus.on(
        Type as typeof ApprovalExpired,
        ({ type, payload, correlationId }) => void heard.push([type, payload, correlationId]),
        {
          name: 'h',
        },
      )
    }
    at.bus.handle(Refund, () => ({ id: '' }))
    const commands = ['granted', 'denied', 'cancelled', 'expired'].map((approvalId) => ({
      approvalId,
      command: refund(),
    }))
    for (const { command, approvalId } of commands) await at.bus.execute(command, { approvalId })
    await at.desk.approve('granted', { by: 'ada', note: 'ok' })
    await at.desk.deny('denied', { by: 'ada' })
    await at.desk.cancel('cancelled', { by: 'ada' })
    await at.clock.advance(60_000)
    const about = (approvalId: string) => ({ approvalId, commandType: 'order.refund', sessionId: 'BUS' })
    for (const { command, approvalId } of commands) {
      expect(heard).toContainEqual([
        'buslane.approval.requested',
        { ...about(approvalId), expiresInMs: 60_000, quorum: 1 },
        command.id,
      ])
      expect(heard).toContainEqual([
        `buslane.approval.${approvalId}`,
        expect.objectContaining(about(approvalId)),
        command.id,
      ])
    }
    expect(heard).toHaveLength(8)
    expect(heard).toContainEqual([
      'buslane.approval.granted',
      { ...about('granted'), by: 'ada', note: 'ok' },
      commands[0]!.command.id,
    ])
  })

  it('ends a wait by its signal or its time, and leaves the approval', async () => {
    await using at = await deskBus({ keeps })
    at.bus.handle(Refund, () => ({ id: '' }))
    const stop = new AbortController()
    const aborted = at.bus.execute(refund(), { waitForApproval: true, approvalId: 'a', signal: stop.signal })
    const late = at.bus.execute(refund(), { waitForApproval: true, approvalId: 'b', timeoutMs: 1000 })
    await at.clock.settle()
    stop.abort()
    expect(await aborted).toMatchObject({ error: { code: 'ABORTED' } })
    await at.clock.advance(1000)
    expect(await late).toMatchObject({ error: { code: 'TIMED_OUT' } })
    expect((await at.desk.list({ state: 'pending' })).entries.map(({ id }) => id)).toEqual(['a', 'b'])
  })

  it('lists by type, state and session, page by page, oldest first', async () => {
    await using at = await deskBus({ keeps })
    const Other = defineCommand('other', { approval: { required: true } })
    at.bus.handle(Refund, () => ({ id: '' }))
    at.bus.handle(Other, () => {})
    for (const approvalId of ['a', 'b', 'c']) await at.bus.execute(refund(), { approvalId })
    await at.bus.execute(Other(undefined, { sessionId: 'chat' }), { approvalId: 'd' })
    await at.desk.deny('b', { by: 'ada' })
    const ids = async (...query: Parameters<typeof at.desk.list>) =>
      (await at.desk.list(...query)).entries.map(({ id }) => id)
    expect(await ids()).toEqual(['a', 'b', 'c', 'd'])
    expect(await ids({ type: Refund, state: 'pending' })).toEqual(['a', 'c'])
    expect(await ids({ session: 'chat' })).toEqual(['d'])
    const { next } = await at.desk.list({ limit: 3 })
    expect(await ids({ limit: 3 }, next)).toEqual(['d'])
  })

  it('discards what is settled, and nothing else', async () => {
    await using at = await deskBus({ keeps })
    at.bus.handle(Refund, () => ({ id: '' }))
    await at.bus.execute(refund(), { approvalId: 'a' })
    expect(await at.desk.discard('a')).toBe('unsettled')
    await at.desk.deny('a', { by: 'ada' })
    expect(await at.desk.discard('a')).toBe('discarded')
    expect(await at.desk.get('a')).toBeUndefined()
  })

  it('refuses a payload that is no plain data when it is asked for', async () => {
    await using at = await deskBus({ keeps })
    const Call = defineCommand<{ at: unknown }>('call', { approval: { required: true } })
    at.bus.handle(Call, () => {})
    expect(await at.bus.execute(Call({ at: new Date(0) }))).toMatchObject({
      error: { code: 'INVALID_PAYLOAD', message: expect.stringContaining("at 'at'") as string },
    })
    expect((await at.desk.list()).entries).toEqual([])
  })

  it('asks nobody where the function says that nobody has to be asked', async () => {
    await using at = await deskBus({ keeps })
    const Pay = defineCommand<{ cents: number }, string>('pay', {
      approval: { required: ({ payload }: { payload: { cents: number } }) => payload.cents > 100 },
    })
    at.bus.handle(Pay, () => 'paid')
    expect(await at.bus.execute(Pay({ cents: 100 }))).toMatchObject({ success: true, value: 'paid' })
    expect(await at.bus.execute(Pay({ cents: 101 }))).toMatchObject({ error: { code: 'APPROVAL_PENDING' } })
  })

  it('does not let a command run whose rule throws', async () => {
    await using at = await deskBus({ keeps })
    const Pay = defineCommand('pay', {
      approval: {
        required: () => {
          throw new TypeError('no such field')
        },
      },
    })
    let runs = 0
    at.bus.handle(Pay, () => void runs++)
    expect(await at.bus.execute(Pay())).toMatchObject({
      error: { code: 'APPROVAL_POLICY_FAILED', cause: expect.any(TypeError) as unknown },
    })
    expect(runs).toBe(0)
  })

  it('lets rules decide at once, and records that', async () => {
    const rule = { name: 'small amounts', when: ({ payload }: { payload: { cents: number } }) => payload.cents < 1000 }
    await using at = await deskBus({ keeps, desk: { autoApprove: [rule] } })
    at.bus.handle(Refund, () => ({ id: 'r' }))
    const result = at.bus.execute(refund(), { approvalId: 'a' })
    await at.clock.settle()
    expect(await result).toMatchObject({ success: true, value: { id: 'r' } })
    expect(await at.desk.get('a')).toMatchObject({ state: { is: 'succeeded', decision: { by: 'small amounts' } } })
    expect(await at.bus.execute(Refund({ order: '8', cents: 1000 }))).toMatchObject({
      error: { code: 'APPROVAL_PENDING' },
    })
  })

  it('needs the yes of as many different people as the quorum says', async () => {
    await using at = await deskBus({ keeps })
    const Deploy = defineCommand('deploy', {
      approval: { required: true, approvers: ['ada', 'bob', 'eve'], quorum: 2 },
    })
    let runs = 0
    at.bus.handle(Deploy, () => void runs++)
    await at.bus.execute(Deploy(), { approvalId: 'a' })
    expect(await at.desk.approve('a', { by: 'mallory' })).toMatchObject({ status: 'not-allowed' })
    expect(await at.desk.approve('a', { by: 'ada' })).toMatchObject({ status: 'voted' })
    expect(await at.desk.approve('a', { by: 'ada' })).toMatchObject({ status: 'voted' })
    await at.clock.settle()
    expect(runs).toBe(0)
    expect(await at.desk.approve('a', { by: 'bob' })).toMatchObject({ status: 'granted' })
    await at.clock.settle()
    expect(runs).toBe(1)
    expect((await at.desk.get('a'))?.votes.map(({ by }) => by)).toEqual(['ada', 'bob'])
  })

  it('lets mayDecide refuse somebody', async () => {
    await using at = await deskBus({
      keeps,
      desk: { mayDecide: async (by, { metadata }) => by !== metadata['askedBy'] },
    })
    at.bus.handle(Refund, () => ({ id: '' }))
    await at.bus.execute(Refund({ order: '7', cents: 1 }, { metadata: { askedBy: 'ada' } }), { approvalId: 'a' })
    expect(await at.desk.approve('a', { by: 'ada' })).toMatchObject({ status: 'not-allowed' })
    expect(await at.desk.cancel('a', { by: 'ada' })).toMatchObject({ status: 'not-allowed' })
    expect(await at.desk.approve('a', { by: 'bob' })).toMatchObject({ status: 'granted' })
  })

  it('runs an edited payload, and keeps the original beside it', async () => {
    await using at = await deskBus({ keeps })
    const seen: number[] = []
    at.bus.handle(Refund, ({ payload }) => ({ id: String(seen.push(payload.cents)) }))
    await at.bus.execute(refund(), { approvalId: 'a' })
    await at.desk.approve('a', {
      by: 'ada',
      edit: ({ payload }) => ({ ...(payload as object), cents: 300 }),
    })
    await at.clock.settle()
    expect(seen).toEqual([300])
    expect(await at.desk.get('a')).toMatchObject({
      payload: { order: '7', cents: 300 },
      original: { order: '7', cents: 500 },
      edits: [{ by: 'ada', payload: { order: '7', cents: 300 } }],
    })
  })

  it('asks again, after an edit, those who said yes before it', async () => {
    await using at = await deskBus({ keeps })
    const Deploy = defineCommand<{ to: string }>('deploy', { approval: { required: true, quorum: 2 } })
    at.bus.handle(Deploy, () => {})
    await at.bus.execute(Deploy({ to: 'all' }), { approvalId: 'a' })
    await at.desk.approve('a', { by: 'ada' })
    expect(await at.desk.approve('a', { by: 'bob', edit: () => ({ to: 'one' }) })).toMatchObject({ status: 'voted' })
    expect(await at.desk.approve('a', { by: 'ada' })).toMatchObject({ status: 'granted' })
    expect((await at.desk.get('a'))?.votes).toMatchObject([
      { by: 'ada', counts: false },
      { by: 'bob', counts: true },
      { by: 'ada', counts: true },
    ])
  })

  it('hands a command of a session to the handler of that session', async () => {
    await using at = await deskBus({ keeps })
    const session = at.bus.session('chat')
    session.handle(Refund, () => ({ id: 'chat' }))
    const result = session.execute(refund(), waiting)
    await at.clock.settle()
    await at.desk.approve('a', { by: 'ada' })
    await at.clock.settle()
    expect(await result).toMatchObject({ success: true, value: { id: 'chat' } })
  })

  it('R-PUB-3 does not deadlock when a handler waits in the lane of its command', async () => {
    await using at = await deskBus({ keeps })
    const Asked = defineEvent('asked')
    const values: unknown[] = []
    at.bus.handle(Refund, () => ({ id: 'r' }))
    at.bus.on(ApprovalRequested, ({ payload }) => at.desk.approve(payload.approvalId, { by: 'bot' }), { name: 'bot' })
    at.bus.on(Asked, async (_event, { execute }) => {
      const result = await execute(refund(), { waitForApproval: true })
      values.push(result.success && result.value)
    })
    await at.bus.publish(Asked(undefined, { sessionId: 'chat' }))
    await at.clock.settle()
    expect(values).toEqual([{ id: 'r' }])
  })

  it('gives the id of another command back with a clear error', async () => {
    await using at = await deskBus({ keeps })
    const Other = defineCommand('other', { approval: { required: true } })
    at.bus.handle(Refund, () => ({ id: '' }))
    at.bus.handle(Other, () => {})
    await at.bus.execute(refund(), { approvalId: 'a' })
    expect(await at.bus.execute(Other(), { approvalId: 'a' })).toMatchObject({ error: { code: 'INVALID_ARGUMENT' } })
  })

  it.each([[''], ['a\0'], ['\ud800'], ['x'.repeat(257)]])('refuses the approvalId %j', async (approvalId) => {
    await using at = await deskBus({ keeps })
    at.bus.handle(Refund, () => ({ id: '' }))
    expect(await at.bus.execute(refund(), { approvalId })).toMatchObject({
      error: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('approvalId') as string },
    })
  })

  it('needs to know who decides', async () => {
    await using at = await deskBus({ keeps })
    await expect(at.desk.approve('a', { by: '' })).rejects.toThrow(BusError)
    await expect(at.desk.deny('a', {} as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
