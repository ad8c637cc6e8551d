import { BusError } from '@buslane/core'
import { describe, expect, it } from 'vitest'
import {
  CircuitOpenError,
  type FailureFacts,
  HandlerTimeoutError,
  NonRetryableError,
  recover,
  RetryAfterError,
  type Recovery,
} from '../src/index.ts'
import { retryPolicy, type RetryOptions } from '../src/retry.ts'

const facts = (changes: Partial<FailureFacts> & { readonly options?: RetryOptions | false } = {}): FailureFacts => {
  const { options, ...others } = changes
  return {
    kind: 'event',
    type: 'order.placed',
    handler: 'ship',
    sessionId: 'BUS',
    error: new Error('no luck'),
    isRefused: false,
    attempts: 1,
    elapsedMs: 0,
    isStored: false,
    intakePausedMs: undefined,
    retry: retryPolicy([{ jitter: 'none' }, options]),
    random: 0.5,
    ...others,
  }
}

const timeout = new HandlerTimeoutError('ship', 'order.placed', 10)
const open = new CircuitOpenError('ship', 700)
const full = new BusError('BULKHEAD_FULL', 'no room')
const pending = new BusError('APPROVAL_PENDING', 'somebody has yet to decide')
const half = new BusError('APPROVAL_INTERRUPTED', 'its process died', { retryable: false })
const interrupted = new BusError('ATTEMPTS_EXHAUSTED', 'never heard of again')
const retryIf = (error: unknown): boolean => error instanceof TypeError
const throws = (): never => {
  throw new Error('oops')
}

describe('recover', () => {
  it.each<[string, FailureFacts, Recovery]>([
    ['waits after the first failure', facts(), { action: 'retryAt', delayMs: 100 }],
    ['waits longer after the second', facts({ attempts: 2 }), { action: 'retryAt', delayMs: 200 }],
    [
      'waits no longer than maxDelayMs',
      facts({ attempts: 3, options: { maxDelayMs: 150 } }),
      { action: 'retryAt', delayMs: 150 },
    ],
    ['goes on at once without a delay', facts({ options: { initialDelayMs: 0 } }), { action: 'retryNow' }],
    ['gives up after all attempts', facts({ attempts: 4 }), { action: 'deadLetter', reason: 'attempts-exhausted' }],
    ['never retries with retry: false', facts({ options: false }), { action: 'deadLetter', reason: 'failed' }],
    [
      'never retries with maxRetries: 0',
      facts({ options: { maxRetries: 0 } }),
      { action: 'deadLetter', reason: 'failed' },
    ],
    [
      'gives up what is not retryable',
      facts({ error: new NonRetryableError('no') }),
      { action: 'deadLetter', reason: 'not-retryable' },
    ],
    [
      'believes any error that says retryable: false',
      facts({ error: new BusError('X', 'x', { retryable: false }) }),
      { action: 'deadLetter', reason: 'not-retryable' },
    ],
    ['asks retryIf', facts({ options: { retryIf } }), { action: 'deadLetter', reason: 'not-retryable' }],
    [
      'retries what retryIf wants',
      facts({ error: new TypeError('x'), options: { retryIf } }),
      { action: 'retryAt', delayMs: 100 },
    ],
    ['retries if retryIf throws', facts({ options: { retryIf: throws } }), { action: 'retryAt', delayMs: 100 }],
    [
      'waits as long as RetryAfterError says',
      facts({ error: new RetryAfterError(30_000) }),
      { action: 'retryAt', delayMs: 30_000 },
    ],
    [
      'counts the attempt of a RetryAfterError',
      facts({ attempts: 4, error: new RetryAfterError(1) }),
      { action: 'deadLetter', reason: 'attempts-exhausted' },
    ],
    ['retries a timeout', facts({ error: timeout }), { action: 'retryAt', delayMs: 100 }],
    [
      'says that the last attempt timed out',
      facts({ error: timeout, attempts: 4 }),
      { action: 'deadLetter', reason: 'timed-out' },
    ],
    [
      'waits for the circuit with an event',
      facts({ error: open, isRefused: true, attempts: 0 }),
      { action: 'retryAt', delayMs: 700 },
    ],
    [
      'waits for it however often the handler has run',
      facts({ error: open, isRefused: true, attempts: 4 }),
      { action: 'retryAt', delayMs: 700 },
    ],
    [
      'asks retryIf about the handler only',
      facts({ error: open, isRefused: true, options: { retryIf } }),
      { action: 'retryAt', delayMs: 700 },
    ],
    [
      'waits for no circuit with retry: false',
      facts({ error: open, isRefused: true, attempts: 0, options: false }),
      { action: 'deadLetter', reason: 'circuit-open' },
    ],
    [
      'waits for no circuit beyond the deadline',
      facts({ error: open, isRefused: true, elapsedMs: 400, options: { deadlineMs: 1000 } }),
      { action: 'deadLetter', reason: 'circuit-open' },
    ],
    [
      'does not spin while there is no room',
      facts({ error: full, isRefused: true, attempts: 0, options: { initialDelayMs: 0 } }),
      { action: 'retryAt', delayMs: 100 },
    ],
    [
      'counts the attempt of a handler that met an open circuit elsewhere',
      facts({ error: open, attempts: 4 }),
      { action: 'deadLetter', reason: 'circuit-open' },
    ],
    [
      'answers a command at once while the circuit is open',
      facts({ kind: 'command', error: open }),
      { action: 'deadLetter', reason: 'circuit-open' },
    ],
    [
      'begins nothing after the deadline',
      facts({ elapsedMs: 950, options: { deadlineMs: 1000 } }),
      { action: 'deadLetter', reason: 'attempts-exhausted' },
    ],
    [
      'begins until the deadline',
      facts({ elapsedMs: 900, options: { deadlineMs: 1000 } }),
      { action: 'retryAt', delayMs: 100 },
    ],
    [
      'leaves an approved command that was interrupted to a person',
      facts({ error: half }),
      { action: 'deadLetter', reason: 'interrupted' },
    ],
    ['takes a pending approval for no failure', facts({ error: pending }), { action: 'discard' }],
    [
      'puts events back while the intake is paused, whatever the attempts',
      facts({ attempts: 9, intakePausedMs: 5000 }),
      { action: 'pauseIntake', delayMs: 5000 },
    ],
    [
      'gives up what is not retryable also then',
      facts({ error: new NonRetryableError('no'), intakePausedMs: 5000 }),
      { action: 'deadLetter', reason: 'not-retryable' },
    ],
    [
      'gives up what was never heard of again',
      facts({ error: interrupted, attempts: 4 }),
      { action: 'deadLetter', reason: 'attempts-exhausted-without-report' },
    ],
    ['retries undefined', facts({ error: undefined }), { action: 'retryAt', delayMs: 100 }],
    ['retries a thrown string', facts({ error: 'no' }), { action: 'retryAt', delayMs: 100 }],
  ])('%s', (_what, given, expected) => {
    expect(recover(given)).toEqual(expected)
  })

  it('is pure: the same facts give the same answer, and stay as they are', () => {
    const given = Object.freeze(facts({ options: { jitter: 'full' } }))
    expect(recover(given)).toEqual(recover(given))
    expect(recover(given)).toEqual({ action: 'retryAt', delayMs: 50 })
  })
})
