/**
 * The handler, failing at its first call and working from then on: for tests of retries and of what a failure leaves behind. *Counts*
 * calls, not messages. The error is yours, or says that it was made by this.
 *
 * @example
 * import { defineEvent } from '@buslane/core'
 * const Sent = defineEvent('sent')
 * const handler = failOnce(() => 'sent')
 * await using bus = createTestBus()
 * bus.on(Sent, handler, { name: 'send' })
 * await bus.start()
 * await bus.publishAndWait(Sent()).then((outcome) => outcome.failed) // => 1
 * await bus.publishAndWait(Sent()).then((outcome) => outcome.failed) // => 0
 */
export function failOnce<Given extends readonly unknown[], Answer>(
  handler: (...given: Given) => Answer,
  error: Error = new Error('failOnce: the first call fails'),
): (...given: Given) => Answer {
  let hasFailed = false
  return (...given) => {
    if (hasFailed) return handler(...given)
    hasFailed = true
    throw error
  }
}
