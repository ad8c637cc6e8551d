import { describe, expect, it } from 'vitest'
import { createBus, defineCommand } from '@buslane/core'
import { approvals } from '../src/index.ts'

/** Every call is made as somebody without types would make it. */
type Untyped = any

const make = approvals as Untyped
const Delete = defineCommand('file.delete')
const installed = (): Untyped => {
  const desk = approvals()
  createBus({ plugins: [desk], logger: { debug() {}, info() {}, warn() {}, error() {} } })
  return desk
}
const execute = async (options: Untyped): Promise<unknown> => {
  const bus: Untyped = createBus({ plugins: [approvals()] })
  bus.handle(Delete, () => undefined)
  const { error } = await bus.execute(Delete(), options)
  return error
}

/** The call, and what its message says of it: the argument, what was expected, and what came. */
const CALLS: readonly (readonly [name: string, call: () => unknown, ...says: string[]])[] = [
  ['approvals(null)', () => make(null), 'approvals', 'an object', 'null'],
  ['approvals(5)', () => make(5), 'approvals', 'an object', '5'],
  ['approvals([])', () => make([]), 'approvals', 'an object'],
  ['a misspelt option', () => make({ mayDecde: 5 }), "'mayDecde'", 'mayDecide'],
  ['persistence: null', () => make({ persistence: null }), 'persistence', 'null'],
  ['autoApprove: {}', () => make({ autoApprove: {} }), 'autoApprove', 'a list'],
  ['mayDecide: 5', () => make({ mayDecide: 5 }), 'mayDecide', 'a function', '5'],
  ['commands: [a function]', () => make({ commands: [() => 1] }), 'commands', 'defineCommand()'],
  ['approvalsInMemory: NaN', () => make({ approvalsInMemory: Number.NaN }), 'approvalsInMemory', 'NaN'],
  ['list() before it is installed', () => approvals().list(), 'not installed'],
  ['list(null)', () => installed().list(null), 'filter', 'null'],
  ['list with a misspelt filter', () => installed().list({ typ: 'a' }), "'typ'", 'type'],
  ['list({ type: 5 })', () => installed().list({ type: 5 }), 'filter.type', '5'],
  ['list({ type: null })', () => installed().list({ type: null }), 'filter.type', 'null'],
  ["list({ state: 'open' })", () => installed().list({ state: 'open' }), 'filter.state', 'pending', 'open'],
  ['list({ session: 5 })', () => installed().list({ session: 5 }), 'filter.session', 'a text', '5'],
  ['list({ limit: 0 })', () => installed().list({ limit: 0 }), 'limit', 'whole number', '0'],
  ['list({}, 5)', () => installed().list({}, 5), 'cursor', '5'],
  ['get(5)', () => installed().get(5), 'id of get()', 'a text', '5'],
  ["approve('a')", () => installed().approve('a'), 'approve()', 'an object', 'undefined'],
  ["approve('a', null)", () => installed().approve('a', null), 'approve()', 'an object', 'null'],
  ["approve('a', {})", () => installed().approve('a', {}), 'by of approve()', 'undefined'],
  ['approve(5)', () => installed().approve(5, { by: 'ada' }), 'id of approve()', 'a text', '5'],
  ['approve with a misspelt option', () => installed().approve('a', { by: 'ada', edt: 5 }), "'edt'", 'edit'],
  [
    'approve with an edit of 5',
    () => installed().approve('a', { by: 'ada', edit: 5 }),
    'edit of approve()',
    'a function',
    '5',
  ],
  ['deny with an edit', () => installed().deny('a', { by: 'ada', edit: 5 }), "'edit'", 'by, note'],
  ["deny('a', 'ada')", () => installed().deny('a', 'ada'), 'deny()', 'an object', 'ada'],
  ["cancel('a', null)", () => installed().cancel('a', null), 'cancel()', 'null'],
  ['discard(null)', () => installed().discard(null), 'id of discard()', 'null'],
  ['execute with a misspelt option', () => execute({ waitForApprval: true }), "'waitForApprval'", 'timeoutMs'],
]

const failureOf = async (call: () => unknown): Promise<unknown> => {
  try {
    return await call()
  } catch (error) {
    return error
  }
}

describe('what a public call of approvals cannot do anything with', () => {
  it.each(CALLS.map(([name, call, ...says]) => ({ name, call, says })))(
    'is refused with INVALID_ARGUMENT that names it: $name',
    async ({ call, says }) => {
      const error: Untyped = await failureOf(call)
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.any(String) })
      for (const text of says) expect(error.message).toContain(text)
      expect(error.message).not.toContain('=>')
    },
  )
})
