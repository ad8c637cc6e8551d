import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createBus, defineEvent } from '@buslane/core'
import { expect, it } from 'vitest'
import { resilience } from '../src/index.ts'
import { keeping } from './support/guarded-bus.ts'

const Placed = defineEvent<number>('order.placed')

/** `BUSLANE_TEST_FAILURES=1000000` makes it a million. */
const FAILURES = Number(process.env['BUSLANE_TEST_FAILURES'] ?? 50_000)

it('R-ERR-2 what is kept of failures does not grow with their number', { timeout: 300_000 }, async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const guard = resilience({ retry: { maxRetries: 1, initialDelayMs: 0 }, circuitBreaker: true, sessionStats: 100 })
  const logger = { ...keeping(), warn() {}, error() {}, info() {} }
  const bus = createBus({ plugins: [guard], logger, queue: { capacity: Infinity } })
  bus.on(
    Placed,
    () => {
      throw new Error('no luck')
    },
    { name: 'ship', circuitBreaker: false },
  )
  await bus.start()
  const heapAfter = async (failures: number): Promise<number> => {
    for (let n = 0; n < failures; n += 1000) {
      for (let of = 0; of < 1000; of++) void bus.publish(Placed(n + of, { sessionId: `chat-${(n + of) % 500}` }))
      await bus.idle()
    }
    collect()
    return process.memoryUsage().heapUsed
  }
  const before = await heapAfter(20_000)
  const after = await heapAfter(FAILURES)

  expect((await guard.deadLetters.count()).total).toBe(1000)
  expect(guard.handlerStats()).toMatchObject([{ failures: 2 * (20_000 + FAILURES) }])
  // A hundred bytes for each would be 5 MB.
  expect(after - before).toBeLessThan(3_000_000)
  await bus.stop()
})
