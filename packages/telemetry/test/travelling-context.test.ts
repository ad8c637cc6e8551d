import { createTraceState, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { describe, expect, it } from 'vitest'
import { fromMetadata, toMetadata } from '../src/travelling-context.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'
const withSpan = (more: object = {}) =>
  trace.setSpanContext(ROOT_CONTEXT, { traceId: TRACE, spanId: SPAN, traceFlags: 1, ...more })

describe('toMetadata', () => {
  it('writes the W3C formats', () => {
    const context = withSpan({ traceState: createTraceState('a=1,b=2') })
    expect(toMetadata(context, [])).toEqual({ traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'a=1,b=2' })
    expect(toMetadata(withSpan({ traceFlags: 0 }), [])).toEqual({ traceparent: `00-${TRACE}-${SPAN}-00` })
  })

  it('is undefined without a span and baggage, and for a span that is not valid', () => {
    expect(toMetadata(ROOT_CONTEXT, ['tenant'])).toBeUndefined()
    expect(toMetadata(withSpan({ spanId: '0'.repeat(16) }), [])).toBeUndefined()
  })

  it('takes only listed baggage, and never more than W3C allows', () => {
    const entries = {
      a: { value: 'x'.repeat(5000) },
      b: { value: 'y'.repeat(5000) },
      c: { value: '1' },
      d: { value: '2' },
    }
    const context = propagation.setBaggage(ROOT_CONTEXT, propagation.createBaggage(entries))
    expect(toMetadata(context, ['a', 'b', 'c'])).toEqual({ baggage: `a=${'x'.repeat(5000)},c=1` })
  })
})

describe('fromMetadata', () => {
  it('reads what toMetadata wrote', () => {
    const baggage = propagation.createBaggage({ tenant: { value: 'a b,=;ü' } })
    const before = propagation.setBaggage(withSpan({ traceState: createTraceState('a=1') }), baggage)
    const after = fromMetadata(toMetadata(before, ['tenant'])!, ['tenant'], true)
    const { traceState, ...ids } = trace.getSpanContext(after)!
    expect(ids).toEqual({ traceId: TRACE, spanId: SPAN, traceFlags: 1, isRemote: true })
    expect(traceState!.serialize()).toBe('a=1')
    expect(propagation.getBaggage(after)!.getEntry('tenant')!.value).toBe('a b,=;ü')
  })

  it('reads later versions, which may be longer', () => {
    const context = fromMetadata({ traceparent: `cc-${TRACE}-${SPAN}-01-what-comes` }, [], false)
    expect(trace.getSpanContext(context)).toMatchObject({ traceId: TRACE, isRemote: false })
  })

  it.each([
    ['nothing', undefined],
    ['no text', 7],
    ['too short', `00-${TRACE}-${SPAN}`],
    ['the version ff', `ff-${TRACE}-${SPAN}-01`],
    ['ids that are no hex digits', `00-${TRACE.replace('0', 'g')}-${SPAN}-01`],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['flags that are no hex digits', `00-${TRACE}-${SPAN}-zz`],
    ['other separators', `00_${TRACE}_${SPAN}_01`],
  ])('takes %s for no span', (_what, traceparent) => {
    expect(trace.getSpanContext(fromMetadata({ traceparent }, [], true))).toBeUndefined()
  })

  it('leaves out baggage that is not listed or not encoded as it should be', () => {
    const context = fromMetadata(
      { baggage: 'secret=1,tenant=a;p=1, ok = 2 ,broken=%zz,none' },
      ['tenant', 'ok', 'broken'],
      true,
    )
    const entries = propagation.getBaggage(context)!.getAllEntries()
    expect(entries.map(([name, { value }]) => [name, value])).toEqual([
      ['tenant', 'a'],
      ['ok', '2'],
    ])
  })
})
