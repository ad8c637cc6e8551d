import type { Logger } from '@buslane/core'
import { isSpanContextValid, type SpanContext, trace } from '@opentelemetry/api'
import type { FailedIn } from './failed-in.ts'

/** A logger whose lines say which span they belong to. */
export const traceLogger = (logger: Logger, failedIn: FailedIn): Logger => {
  const at =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      // What the bus logs of a failed handler it logs after the handler's span.
      const span = trace.getActiveSpan()?.spanContext() ?? failedIn.of((fields as { error?: unknown }).error)
      logger[level](span === undefined ? fields : { ...idsOf(span), ...fields }, message)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** As pino's instrumentation calls them. */
const idsOf = (span: SpanContext): object => {
  if (!isSpanContextValid(span)) return {}
  const { traceId, spanId, traceFlags } = span
  return { trace_id: traceId, span_id: spanId, trace_flags: `0${traceFlags.toString(16)}`.slice(-2) }
}
