import { SpanKind } from '@opentelemetry/api'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'

/** Keeps the spans for the check at the end. */
export class SpanTally implements SpanExporter {
  readonly #spans: ReadableSpan[] = []
  readonly #keeps: boolean

  /** `keeps`: otherwise it lets everything go, since a shop may be open for weeks. */
  constructor(keeps: boolean) {
    this.#keeps = keeps
  }

  export(spans: ReadableSpan[], done: (result: { code: number }) => void): void {
    if (this.#keeps) this.#spans.push(...spans)
    done({ code: 0 })
  }

  shutdown(): Promise<void> {
    return Promise.resolve()
  }

  forceFlush(): Promise<void> {
    return Promise.resolve()
  }

  get count(): number {
    return this.#spans.length
  }

  /** What should have come and has not. */
  missing(): string[] {
    const byId = new Map(this.#spans.map((span) => [span.spanContext().spanId, span]))
    const parentOf = (span: ReadableSpan): ReadableSpan | undefined => byId.get(span.parentSpanContext?.spanId ?? '')
    const some = (is: (span: ReadableSpan) => boolean): boolean => this.#spans.some(is)
    const inside = (child: string, parent: string) => (span: ReadableSpan) =>
      span.name.startsWith(child) && parentOf(span)?.name.startsWith(parent) === true
    const expected: Record<string, boolean> = {
      'a PRODUCER span that sends': some(({ kind, name }) => kind === SpanKind.PRODUCER && name.startsWith('send ')),
      'a CONSUMER span inside of it': some(inside('process order.placed', 'send order.placed')),
      'a CONSUMER span that is linked to its sender': some(
        ({ name, kind, links }) =>
          kind === SpanKind.CONSUMER &&
          name === 'process stock.low' &&
          byId.get(links[0]?.context.spanId ?? '')?.name === 'send stock.low',
      ),
      'a span per handler inside of that of the event': some(inside('handle order.placed', 'process order.placed')),
      'a command inside of a handler': some(inside('execute stock.reserve', 'handle order.placed')),
      'a publish inside of a handler': some(inside('send stock.low', 'handle order.placed')),
      'a call of a service inside of a handler': some(inside('mail: send', 'handle order.placed')),
      'a call of a service inside of a command': some(inside('warehouse: reserve', 'execute stock.reserve')),
      'a scheduled event': some(({ name, links }) => name === 'process review.wanted' && links.length === 1),
      'an error with its type': some(({ attributes }) => attributes['error.type'] === 'MailRefused'),
      'a second attempt': some(({ attributes }) => attributes['buslane.handler.attempt'] === 2),
      'a note of the retry': some(({ events }) => events.some(({ name }) => name === 'buslane.retry')),
    }
    return Object.keys(expected).filter((what) => !expected[what])
  }
}
