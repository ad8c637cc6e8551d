import type { Metadata } from '@buslane/core'
import {
  type Baggage,
  type Context,
  createTraceState,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type SpanContext,
  trace,
} from '@opentelemetry/api'

// The W3C formats, whichever propagator is registered for HTTP: what lies in a store must be readable by other versions of
// an application. https://www.w3.org/TR/trace-context and https://www.w3.org/TR/baggage

/** What W3C asks others to carry at least, and nobody to carry more. */
const MAX_BAGGAGE_BYTES = 8192

/** The span context, and the baggage of these names, as metadata; `undefined` if there is neither. */
export const toMetadata = (context: Context, names: readonly string[]): Metadata | undefined => {
  const span = trace.getSpanContext(context)
  const baggage = names.length === 0 ? '' : baggageText(propagation.getBaggage(context), names)
  if (span === undefined || !isSpanContextValid(span)) return baggage === '' ? undefined : { baggage }
  const { traceId, spanId, traceFlags, traceState } = span
  const traceparent = `00-${traceId}-${spanId}-${traceFlags < 16 ? '0' : ''}${traceFlags.toString(16)}`
  const tracestate = traceState?.serialize()
  if (!tracestate && baggage === '') return { traceparent }
  return { traceparent, ...(tracestate && { tracestate }), ...(baggage !== '' && { baggage }) }
}

/** The context that a message came with. What cannot be read is as if it were not there. */
export const fromMetadata = (
  { traceparent, tracestate, baggage }: Metadata,
  names: readonly string[],
  isRemote: boolean,
): Context => {
  let context = ROOT_CONTEXT
  const span = spanContextOf(traceparent, tracestate, isRemote)
  if (span !== undefined) context = trace.setSpanContext(context, span)
  return names.length === 0 || typeof baggage !== 'string' ? context : withBaggage(context, baggage, names)
}

const spanContextOf = (traceparent: unknown, tracestate: unknown, isRemote: boolean): SpanContext | undefined => {
  // 00-<32 digits>-<16 digits>-<2 digits>, and more in later versions; no version is called ff.
  if (typeof traceparent !== 'string' || traceparent.length < 55 || traceparent.startsWith('ff')) return undefined
  if (traceparent[2] !== '-' || traceparent[35] !== '-' || traceparent[52] !== '-') return undefined
  const traceFlags = Number.parseInt(traceparent.slice(53, 55), 16)
  if (Number.isNaN(traceFlags)) return undefined
  const span: SpanContext = {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    traceFlags,
    isRemote,
    ...(typeof tracestate === 'string' && { traceState: createTraceState(tracestate) }),
  }
  return isSpanContextValid(span) ? span : undefined
}

const baggageText = (baggage: Baggage | undefined, names: readonly string[]): string => {
  let text = ''
  for (const name of names) {
    const entry = baggage?.getEntry(name)
    if (entry === undefined) continue
    const member = `${text === '' ? '' : ','}${encodeURIComponent(name)}=${encodeURIComponent(entry.value)}`
    if (text.length + member.length <= MAX_BAGGAGE_BYTES) text += member
  }
  return text
}

const withBaggage = (context: Context, text: string, names: readonly string[]): Context => {
  const entries: Record<string, { value: string }> = {}
  for (const member of text.slice(0, MAX_BAGGAGE_BYTES).split(',')) {
    const [pair = ''] = member.split(';')
    const at = pair.indexOf('=')
    if (at < 1) continue
    try {
      const name = decodeURIComponent(pair.slice(0, at).trim())
      if (names.includes(name)) entries[name] = { value: decodeURIComponent(pair.slice(at + 1).trim()) }
    } catch {
      // A member that is not encoded as it should be is left out; the others are good.
    }
  }
  return Object.keys(entries).length === 0
    ? context
    : propagation.setBaggage(context, propagation.createBaggage(entries))
}
