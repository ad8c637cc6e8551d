import type { BusError, CommandMessage, CommandResult, Middleware, Observer } from '@buslane/core'
import { type Context, context as active, type Span, trace } from '@opentelemetry/api'
import type { FailedIn } from './failed-in.ts'
import { isPending } from './pending.ts'
import type { Spans } from './spans.ts'

interface Executing {
  /** `undefined` if a hook left it out. */
  readonly span: Span | undefined
  readonly context: Context
}

/** The spans of commands: one for each, from the call to the result. */
export class CommandTraces implements Pick<Observer, 'commandStarted' | 'commandAttemptFailed' | 'commandSettled'> {
  readonly #spans: Spans
  readonly #failedIn: FailedIn
  readonly #executing = new WeakMap<CommandMessage, Executing>()

  constructor(spans: Spans, failedIn: FailedIn) {
    this.#spans = spans
    this.#failedIn = failedIn
  }

  commandStarted(command: CommandMessage): void {
    const parent = active.active()
    const span = this.#spans.start({ operation: 'execute', message: command, parent })
    this.#executing.set(command, { span, context: span === undefined ? parent : trace.setSpan(parent, span) })
  }

  /** Around the handler: the context that its own calls nest in. */
  readonly around: NonNullable<Middleware['command']> = (command, call, next) => {
    const executing = this.#executing.get(command)
    if (executing === undefined) return next()
    const { span, context } = executing
    if (span !== undefined && call.attempt === 0) this.#spans.describe(span, { 'buslane.handler.name': call.handler })
    return active.with(context, next)
  }

  commandAttemptFailed(
    command: CommandMessage,
    { attempt, error, retryInMs }: { readonly attempt: number; readonly error: unknown; readonly retryInMs?: number },
  ): void {
    const span = this.#executing.get(command)?.span
    if (span === undefined) return
    this.#failedIn.note(error, span)
    if (retryInMs === undefined) return
    this.#spans.note(span, 'buslane.retry', {
      'buslane.handler.attempt': attempt,
      'buslane.retry.delay': retryInMs / 1000,
    })
  }

  commandSettled(command: CommandMessage, result: CommandResult<unknown>): void {
    // One that found no handler, or whose payload was refused, has not started.
    if (!this.#executing.has(command)) this.commandStarted(command)
    const span = this.#executing.get(command)?.span
    this.#executing.delete(command)
    if (span === undefined) return
    const attributes = { 'buslane.handler.attempts': result.attempts }
    if (result.success || isPending(result)) this.#spans.end(span, attributes)
    else this.#spans.fail(span, thrownBy(result.error), attributes)
  }
}

/** What the handler threw, where that is why the command failed. */
const thrownBy = (error: BusError): unknown => (error.code === 'HANDLER_FAILED' ? (error.cause ?? error) : error)
