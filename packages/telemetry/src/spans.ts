import { BUS, type Message } from '@buslane/core'
import {
  type Attributes,
  type Context,
  type Link,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
} from '@opentelemetry/api'
import type { ErrorTypes } from './error-type.ts'
import type { Guard } from './guard.ts'
import type { Settings, SpanOperation } from './options.ts'

/** How much of a payload is recorded at most, in characters. */
const MAX_PAYLOAD = 2048

const KINDS: Readonly<Record<SpanOperation, SpanKind>> = {
  send: SpanKind.PRODUCER,
  process: SpanKind.CONSUMER,
  handle: SpanKind.INTERNAL,
  execute: SpanKind.INTERNAL,
}

/** What a span begins with. */
export interface SpanStart {
  readonly operation: SpanOperation
  readonly message: Message
  readonly parent: Context
  readonly link?: Link | undefined
  readonly handler?: { readonly name: string; readonly priority: number; readonly attempt: number } | undefined
}

/** Begins and ends spans by the messaging conventions, with what the user's hooks change about them. */
export class Spans {
  readonly #tracer: Tracer
  readonly #settings: Settings
  readonly #guard: Guard
  readonly #errorTypes: ErrorTypes

  constructor(tracer: Tracer, settings: Settings, guard: Guard, errorTypes: ErrorTypes) {
    this.#tracer = tracer
    this.#settings = settings
    this.#guard = guard
    this.#errorTypes = errorTypes
  }

  /** `undefined` if the hook leaves it out, or the SDK throws. */
  start(start: SpanStart): Span | undefined {
    const { operation, message, parent, link, handler } = start
    try {
      let name = `${operation} ${message.type}`
      const attributes = handler ? handlerAttributes(message, handler) : messageAttributes(operation, message)
      const { span: hook, payload } = this.#settings
      if (hook !== undefined) {
        const changes = this.#guard.run(() => hook({ operation, message, name, handler: handler?.name }))
        if (changes === false) return undefined
        name = changes?.name ?? name
        Object.assign(attributes, changes?.attributes)
      }
      if (payload !== undefined && handler === undefined) {
        const text = this.#guard.run(() => JSON.stringify(payload(message)))
        if (text !== undefined) attributes['buslane.message.payload'] = text.slice(0, MAX_PAYLOAD)
      }
      const kind = KINDS[operation]
      return link === undefined
        ? this.#tracer.startSpan(name, { kind, attributes }, parent)
        : this.#tracer.startSpan(name, { kind, attributes, links: [link], root: true }, parent)
    } catch (error) {
      this.#guard.failed(error)
      return undefined
    }
  }

  end(span: Span, attributes?: Attributes): void {
    try {
      if (attributes !== undefined) span.setAttributes(attributes)
      span.end()
    } catch (error) {
      this.#guard.failed(error)
    }
  }

  fail(span: Span, error: unknown, attributes?: Attributes): void {
    try {
      span.setAttribute('error.type', this.#errorTypes.of(error))
      span.recordException(error instanceof Error ? error : String(error))
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) })
    } catch (failure) {
      this.#guard.failed(failure)
    }
    this.end(span, attributes)
  }

  describe(span: Span, attributes: Attributes): void {
    try {
      span.setAttributes(attributes)
    } catch (error) {
      this.#guard.failed(error)
    }
  }

  /** Something happened within the span. */
  note(span: Span, name: string, attributes: Attributes): void {
    try {
      span.addEvent(name, attributes)
    } catch (error) {
      this.#guard.failed(error)
    }
  }
}

const messageAttributes = (operation: SpanOperation, message: Message): Attributes => {
  const attributes: Attributes = {
    'messaging.system': 'buslane',
    'messaging.operation.name': operation,
    'messaging.operation.type': operation === 'send' ? 'send' : 'process',
    'messaging.destination.name': message.type,
    'messaging.message.id': message.id,
    'messaging.message.conversation_id': message.correlationId,
  }
  if (message.sessionId !== BUS) attributes['buslane.session.id'] = message.sessionId
  return attributes
}

const handlerAttributes = (
  { type }: Message,
  { name, priority, attempt }: { readonly name: string; readonly priority: number; readonly attempt: number },
): Attributes => ({
  'messaging.system': 'buslane',
  'messaging.destination.name': type,
  'buslane.handler.name': name,
  'buslane.handler.priority': priority,
  'buslane.handler.attempt': attempt,
})
