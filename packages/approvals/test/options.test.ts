import { createBus, defineCommand } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { describe, expect, it } from 'vitest'
import { type ApprovalPolicy, approvals, type ApprovalsOptions } from '../src/index.ts'

const logger = { debug() {}, info() {}, warn() {}, error() {} }
const refusal = (name: string) =>
  expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(name) as string }) as Error

describe('the options of a command', () => {
  it.each<[string, unknown]>([
    ['approval of', true],
    ['approval.required', {}],
    ['approval.required', { required: 'yes' }],
    ['approval.expiresInMs', { required: true, expiresInMs: 0 }],
    ['approval.expiresInMs', { required: true, expiresInMs: Number.NaN }],
    ['approval.approvers', { required: true, approvers: [] }],
    ['approval.approvers', { required: true, approvers: ['ada', 'ada'] }],
    ['approval.approvers', { required: true, approvers: [''] }],
    ['approval.quorum', { required: true, quorum: 0 }],
    ['approval.quorum', { required: true, quorum: 1.5 }],
    ['approval.quorum', { required: true, quorum: 3, approvers: ['ada', 'bob'] }],
    ['approval.onCrash', { required: true, onCrash: 'ignore' }],
    ['aprovers', { required: true, aprovers: ['ada'] }],
  ])('are refused with the name of what is wrong: %s', (name, approval) => {
    const Do = defineCommand('do', { approval: approval as ApprovalPolicy })
    const bus = createBus({ plugins: [approvals()], logger })
    expect(() => bus.handle(Do, () => {})).toThrow(refusal(name))
  })

  it('are refused on a bus that has no plugin to ask anybody', () => {
    const Do = defineCommand('do', { approval: { required: true } })
    expect(() => createBus({ logger }).handle(Do, () => {})).toThrow(refusal('createBus({ plugins: [approvals()] })'))
  })

  it('are as they are by default, and an expiry that never comes is none', async () => {
    const Do = defineCommand('do', { approval: { required: true, expiresInMs: Infinity } })
    const desk = approvals()
    const bus = createBus({ plugins: [desk], logger })
    bus.handle(Do, () => {})
    await bus.execute(Do(), { approvalId: 'a' })
    expect(await desk.get('a')).toMatchObject({
      expiresAt: undefined,
      approvers: undefined,
      quorum: 1,
      onCrash: 'fail',
    })
  })

  it.each([
    [{ onCrash: 'retry' } as const, {}, 'retry'],
    [{ onCrash: 'retry' } as const, { onCrash: 'fail' } as const, 'fail'],
  ])('take onCrash of the command, unless the approval says more: %j %j', async (command, approval, onCrash) => {
    const Do = defineCommand('do', { ...command, approval: { required: true, ...approval } })
    const desk = approvals()
    const bus = createBus({ plugins: [desk], logger })
    bus.handle(Do, () => {})
    await bus.execute(Do(), { approvalId: 'a' })
    expect(await desk.get('a')).toMatchObject({ onCrash })
  })
})

describe('the options of approvals()', () => {
  it.each<[string, unknown]>([
    ['approvals', 7],
    ['approvals.persistence', 'postgres'],
    ['approvals.autoApprove', [{ name: '', when: () => true }]],
    ['approvals.autoApprove', [{ name: 'a' }]],
    ['approvals.mayDecide', true],
    ['approvals.commands', ['order.place']],
    ['approvals.approvalsInMemory', 0],
    ['autoAprove', { autoAprove: [] }],
  ])('are refused with the name of what is wrong: %s', (name, given) => {
    const option = name.split('.')[1]
    const options = option === undefined ? given : { [option]: given }
    expect(() => approvals(options as ApprovalsOptions)).toThrow(refusal(name))
  })

  it('need an event store that is the one of the bus', () => {
    const desk = approvals({ persistence: memoryPersistence() })
    expect(() => createBus({ plugins: [desk], persistence: memoryPersistence(), logger })).toThrow(
      expect.objectContaining({
        code: 'PLUGIN_FAILED',
        message: expect.stringContaining('event store of the bus') as string,
      }) as Error,
    )
  })

  it('take the approvals of a persistence whose events alone the bus has', () => {
    const persistence = memoryPersistence()
    const desk = approvals({ persistence })
    createBus({ plugins: [desk], persistence: { events: persistence.events }, logger })
    expect(desk.isDurable).toBe(persistence.approvals.durable)
  })
})

it('is for one bus, and for an installed one', async () => {
  const desk = approvals()
  expect(() => desk.isDurable).toThrow('not installed')
  await expect(desk.list()).rejects.toThrow('not installed')
  createBus({ plugins: [desk], logger })
  expect(() => createBus({ plugins: [desk], logger })).toThrow('for one bus')
})
