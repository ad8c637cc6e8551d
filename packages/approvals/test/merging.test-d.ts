import { type CommandMessage, createBus, defineCommand, type Page } from '@buslane/core'
import { expectTypeOf, it } from 'vitest'
import { type Approval, ApprovalRequested, approvals, type Approvals } from '../src/index.ts'

const Refund = defineCommand<{ cents: number }, string>('order.refund', {
  approval: {
    required: ({ payload }: CommandMessage<{ cents: number }>) => payload.cents > 100,
    expiresInMs: 1000,
    approvers: ['ada'],
    quorum: 1,
    onCrash: 'retry',
  },
})

it('adds its options to commands and to execute', () => {
  const bus = createBus({ plugins: [approvals()] })
  expectTypeOf(bus.execute(Refund({ cents: 1 }), { waitForApproval: true, approvalId: 'a' })).toEqualTypeOf(
    bus.execute(Refund({ cents: 1 })),
  )
  // @ts-expect-error -- whether it is required must be said
  defineCommand('x', { approval: { expiresInMs: 1 } })
  // @ts-expect-error -- no such option
  void bus.execute(Refund({ cents: 1 }), { waitsForApproval: true })
})

it('gives approvals the type of their payload', () => {
  const desk = approvals()
  expectTypeOf(desk.list({ type: Refund })).resolves.toEqualTypeOf<Page<Approval<{ cents: number }>>>()
  expectTypeOf(desk.list({ type: 'any' })).resolves.toEqualTypeOf<Page<Approval>>()
  expectTypeOf(desk.list()).resolves.toEqualTypeOf<Page<Approval>>()
  expectTypeOf(desk.get<{ cents: number }>('a')).resolves.toEqualTypeOf<Approval<{ cents: number }> | undefined>()
})

it('narrows the answer to a decision by its status', () => {
  type Answer = Awaited<ReturnType<Approvals['approve']>>
  expectTypeOf<Answer['status']>().toEqualTypeOf<'granted' | 'voted' | 'already-decided' | 'not-allowed' | 'unknown'>()
  const shown = (answer: Answer) => (answer.status === 'unknown' ? answer.id : answer.approval)
  expectTypeOf(shown).returns.toEqualTypeOf<string | Approval>()
})

it('asks handlers of its events for a name, since they are durable', () => {
  const bus = createBus()
  bus.on(ApprovalRequested, ({ payload }) => expectTypeOf(payload.quorum).toEqualTypeOf<number>(), { name: 'ask' })
  // @ts-expect-error -- it has no name
  bus.on(ApprovalRequested, () => {})
})
