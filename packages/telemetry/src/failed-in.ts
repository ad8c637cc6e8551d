import type { Span, SpanContext } from '@opentelemetry/api'

/** Which span an error was thrown in, so that the line that is logged of it later can say so. */
export class FailedIn {
  readonly #spans = new WeakMap<object, SpanContext>()

  /** The first span counts: it is the innermost. */
  note(error: unknown, span: Span | undefined): void {
    if (span === undefined || typeof error !== 'object' || error === null || this.#spans.has(error)) return
    this.#spans.set(error, span.spanContext())
  }

  of(error: unknown): SpanContext | undefined {
    return typeof error === 'object' && error !== null ? this.#spans.get(error) : undefined
  }
}
