import type { CommandMessage, CommandResult, EventMessage, HandlerFacts, HandlerOutcome, Message } from '@buslane/core'
import type { VirtualClock } from './virtual-clock.ts'

interface Line {
  readonly text: string
  readonly at: number
  readonly endedAt?: number
}

/** What happened, as readable text. Times are milliseconds of the virtual clock since the first line. */
export class Timeline {
  readonly #clock: VirtualClock
  readonly #lines: Line[] = []
  /** `order.placed#2`, by the message's id. */
  readonly #labels = new Map<string, string>()
  readonly #began = new Map<string, number>()

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  accepted(event: EventMessage, dueAt: number | undefined): void {
    const how = dueAt === undefined ? 'published' : `scheduled for ${new Date(dueAt).toISOString()}`
    this.#add(event, `${how}${this.#causeOf(event)}`)
  }

  refused(event: EventMessage, reason: string): void {
    this.#add(event, `${reason}${this.#causeOf(event)}`)
  }

  started(event: EventMessage, { name }: HandlerFacts): void {
    this.#began.set(`${event.id} ${name}`, this.#clock.monotonic())
  }

  attemptFailed(event: EventMessage, handler: HandlerFacts, error: unknown, retryInMs: number | undefined): void {
    // The last one is told again, as the outcome.
    if (retryInMs === undefined) return
    const { name, priority, attempt } = handler
    const outcome = `attempt ${attempt} failed (${textOf(error)}), again in ${retryInMs} ms`
    this.#add(event, `group ${priority}, ${name}: ${outcome}`, this.#began.get(`${event.id} ${name}`))
  }

  settled(event: EventMessage, outcome: HandlerOutcome): void {
    const { name, priority, status, attempts } = outcome
    const error = 'error' in outcome ? ` (${textOf(outcome.error)})` : ''
    const tries = attempts > 1 ? `, attempt ${attempts}` : ''
    this.#add(event, `group ${priority}, ${name}: ${status}${error}${tries}`, this.#began.get(`${event.id} ${name}`))
    this.#began.delete(`${event.id} ${name}`)
  }

  commandStarted(command: CommandMessage): void {
    this.#began.set(command.id, this.#clock.monotonic())
  }

  commandSettled(command: CommandMessage, result: CommandResult<unknown>): void {
    const outcome = result.success ? 'succeeded' : `failed (${textOf(result.error)})`
    this.#add(command, `${outcome}${this.#causeOf(command)}`, this.#began.get(command.id))
    this.#began.delete(command.id)
  }

  text(): string {
    const [first] = this.#lines
    if (!first) return 'Nothing happened.'
    const since = Math.min(...this.#lines.map(({ at }) => at))
    return this.#lines
      .map(({ at, endedAt, text }) => {
        const span = endedAt === undefined || endedAt === at ? `${at - since}` : `${at - since} to ${endedAt - since}`
        return `${`${span} ms`.padEnd(16)} ${text}`
      })
      .join('\n')
  }

  #add(message: Message, text: string, at?: number): void {
    const now = this.#clock.monotonic()
    this.#lines.push({ at: at ?? now, endedAt: now, text: `${this.#labelOf(message)} ${text}` })
  }

  #labelOf({ id, type }: Message): string {
    const label = this.#labels.get(id) ?? `${type}#${this.#labels.size + 1}`
    this.#labels.set(id, label)
    return label
  }

  #causeOf({ causationId }: Message): string {
    if (causationId === undefined) return ''
    return `, caused by ${this.#labels.get(causationId) ?? causationId}`
  }
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
  return `${error.name}: ${error.message}${cause}`
}
