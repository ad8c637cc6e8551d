import fc from 'fast-check'
import { expect, it } from 'vitest'
import { SlidingWindow } from '../../src/sliding-window.ts'

const WINDOW_MS = 100
const BUCKET_MS = 10

it('counts what ended in the current tenth of the window and the nine before it, and nothing else', () => {
  const anyCall = fc.record({ afterMs: fc.nat(150), hasFailed: fc.boolean() })
  fc.assert(
    fc.property(fc.nat(10_000), fc.array(anyCall, { maxLength: 100 }), (startsAt, calls) => {
      const window = new SlidingWindow(WINDOW_MS)
      const seen: { readonly bucket: number; readonly hasFailed: boolean }[] = []
      let now = startsAt
      for (const { afterMs, hasFailed } of calls) {
        now += afterMs
        window.record(now, hasFailed)
        const bucket = Math.floor(now / BUCKET_MS)
        seen.push({ bucket, hasFailed })
        const counted = seen.filter((one) => one.bucket > bucket - 10)
        expect(window.calls).toBe(counted.length)
        expect(window.failures).toBe(counted.filter((one) => one.hasFailed).length)
      }
    }),
  )
})
