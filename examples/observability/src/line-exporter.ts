import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'

/** Writes a line per span to the console: enough to see the tree, not more than a terminal can show. */
export class LineExporter implements SpanExporter {
  export(spans: ReadableSpan[], done: (result: { code: number }) => void): void {
    for (const span of spans) console.log(lineOf(span))
    done({ code: 0 })
  }

  shutdown(): Promise<void> {
    return Promise.resolve()
  }

  forceFlush(): Promise<void> {
    return Promise.resolve()
  }
}

const lineOf = (span: ReadableSpan): string => {
  const { name, attributes, parentSpanContext: parent, links, status, duration } = span
  const { traceId, spanId } = span.spanContext()
  const milliseconds = (duration[0] * 1e3 + duration[1] / 1e6).toFixed(1).padStart(7)
  const sender = links[0]?.context.spanId
  const place = parent ? `in ${parent.spanId}` : sender ? `after ${sender}` : 'root'
  const handler = attributes['buslane.handler.name']
  const what = typeof handler === 'string' ? `${name} (${handler})` : name
  return `${traceId.slice(0, 8)} ${spanId} ${milliseconds} ms  ${what}  ${place}${status.code === 2 ? '  ERROR' : ''}`
}
