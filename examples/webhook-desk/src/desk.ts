import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Bus,
  type BusStats,
  consoleLogger,
  createBus,
  EventHandlerFailed,
  type EventHandler,
  type EventMessage,
  HandlerPriority,
  type Inspectable,
  type Persistence,
  type Plugin,
  type PublishReceipt,
  type StopReport,
  type StoreCounts,
} from '@buslane/core'
import { type Resilience, resilience, type ResilienceOptions } from '@buslane/resilience'
import { AuditLog } from './audit-log.ts'
import { PageOnCall } from './commands.ts'
import type { Delivery } from './deliveries.ts'
import { AlertDelivered, type Delivered, definitionFor, SecurityAlert } from './events.ts'
import { audit } from './handlers/audit.ts'
import { count } from './handlers/count.ts'
import { incident } from './handlers/incident.ts'
import { inform } from './handlers/inform.ts'
import { notify } from './handlers/notify.ts'
import { page } from './handlers/page.ts'
import { triage } from './handlers/triage.ts'
import type { Journal } from './journal.ts'
import { originOf } from './origin.ts'
import { openRepository, type RepositoryOptions } from './repository-session.ts'
import { MailRefused, type Services } from './services.ts'

export interface DeskOptions {
  readonly concurrency: number
  readonly journal: Journal
  readonly services: Services
  readonly followUpAfterMs: number
  /** Keeps security alerts and follow-ups. */
  readonly persistence: Persistence & { readonly inspect: Inspectable }
  /** Whether it keeps deliveries, too. */
  readonly durableDeliveries: boolean
  /**
   * What the desk is ready for from the start: after a crash the store may hold events of any of it, and an event that
   * finds no session does without the handlers of the session.
   */
  readonly known: Known
  /** What else is installed on the bus, such as telemetry. */
  readonly plugins?: readonly Plugin[]
  /** Beside its retries: three, from 20 ms. */
  readonly resilience?: ResilienceOptions
}

/** Names that deliveries come with. On your desk they are what GitHub was told to send, and a table of repositories. */
interface Known {
  readonly kinds: Iterable<string>
  readonly repositories: Iterable<string>
}

/** The desk: one bus with its handlers, and a session for each repository it hears of. */
export class Desk {
  readonly auditLog: AuditLog = new AuditLog()
  /** How many deliveries are done with, by GitHub's name for what happened. */
  readonly counters: Map<string, number> = new Map()
  /** Failures of handlers that the bus announced, by the name of the error. */
  readonly failures: Map<string, number> = new Map()
  followUpsPlanned = 0
  readonly #bus: Bus
  readonly #guard: Resilience
  readonly #journal: Journal
  readonly #inspect: Inspectable
  readonly #durable: boolean
  readonly #repository: RepositoryOptions

  constructor(options: DeskOptions) {
    const {
      concurrency,
      journal,
      services,
      followUpAfterMs,
      persistence,
      durableDeliveries,
      known,
      plugins = [],
    } = options
    this.#guard = resilience({ retry: { maxRetries: 3, initialDelayMs: 20 }, ...options.resilience })
    this.#inspect = persistence.inspect
    this.#durable = durableDeliveries
    this.#repository = { journal, services, followUpAfterMs, followUpPlanned: () => void this.followUpsPlanned++ }
    this.#journal = journal
    const bus = createBus({
      name: 'webhook-desk',
      concurrency,
      persistence,
      plugins: [this.#guard, ...plugins],
      // One delivery of a repository at a time, in the order they came in; repositories side by side.
      lane: ({ payload }) => (payload as { lane: string }).lane,
      // Failures of handlers are told to the handler of EventHandlerFailed below.
      logger: { ...consoleLogger, error() {} },
    })
    this.#bus = bus

    // By type, since what is stored is taken up for types that somebody has asked for; the patterns below join in.
    for (const kind of known.kinds) {
      bus.on(definitionFor(kind), journal.timed('audit', audit(this.auditLog, services)), {
        name: 'audit',
        priority: HandlerPriority.HIGHEST,
      })
    }
    for (const Alert of AlertDelivered) {
      bus.on(Alert, journal.timed('triage', triage()), { name: 'triage', priority: HandlerPriority.HIGH })
    }
    // NORMAL: the handlers of the repository's session.
    bus.onPattern('github.*', ofDelivery(journal.timed('notify', notify(services))), {
      name: 'notify',
      priority: HandlerPriority.LOW,
    })
    bus.onPattern('github.*', ofDelivery(journal.timed('count', count(this.counters))), {
      name: 'count',
      priority: HandlerPriority.LOWEST,
    })
    bus.on(SecurityAlert, journal.timed('incident', incident(services)), { name: 'incident' })
    bus.on(SecurityAlert, journal.timed('inform', inform(services)), { name: 'inform', priority: HandlerPriority.LOW })
    bus.handle(PageOnCall, journal.timed('page', page('the desk', services)), { name: 'page' })
    bus.on(EventHandlerFailed, ({ payload: { handler, error } }) => {
      this.failures.set(error.name, (this.failures.get(error.name) ?? 0) + 1)
      if (error.name !== MailRefused.name) console.error(`handler '${handler}' failed: ${error.message}`)
    })
    for (const repository of known.repositories) openRepository(bus, repository, this.#repository)
  }

  /** Starts handling; `settled` is called after each event, when everything about it is written. */
  async start(settled: (event: EventMessage) => void): Promise<void> {
    this.#bus.observe({ eventSettled: settled })
    await this.#bus.start()
  }

  /** Takes a delivery in; this is what an HTTP route would call. Resolves when it is accepted, not when it is handled. */
  async receive({ number, event, body }: Delivery): Promise<PublishReceipt> {
    const { repository, lane } = originOf(body)
    const message = definitionFor(event)({ number, event, lane, body })
    // GitHub names every delivery in the header X-GitHub-Delivery, and sends it again under the same name.
    const options = this.#durable ? { durable: true, idempotencyKey: `delivery ${number}` } : {}
    if (repository === undefined) return this.#bus.publish(message, options)
    const session = this.#bus.getSession(repository) ?? openRepository(this.#bus, repository, this.#repository)
    return session.publish(message, options)
  }

  /** Resolves when everything taken in is handled and every follow-up has fired. */
  async done(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#bus.idle({ signal })
      const { scheduled, ready, running } = await this.#inspect.counts()
      if (scheduled + ready + running + this.#bus.stats().scheduled === 0) return
      await sleep(20, undefined, { signal })
    }
  }

  /** What is in the store: what waits, what nobody here can handle, and the dead letters. */
  stored(): Promise<StoreCounts> {
    return this.#inspect.counts()
  }

  /** What nobody tries again by himself, a line each. */
  async deadLetters(): Promise<readonly string[]> {
    const { entries } = await this.#guard.deadLetters.list({ limit: 1000 })
    return entries.map(({ type, handler, reason, attempts }) => {
      return `${handler} of ${type}, ${reason}: ${attempts.at(-1)?.error.message}`
    })
  }

  /** Tries all of it again; resolves when that is handled, with how many they were. */
  async replay(signal: AbortSignal): Promise<number> {
    this.#journal.replaying = true
    const results = await this.#guard.deadLetters.replay({}, { by: 'the demo' })
    await this.done(signal)
    return results.filter(({ status }) => status === 'replayed').length
  }

  stats(): BusStats {
    return this.#bus.stats()
  }

  stop(timeoutMs: number): Promise<StopReport> {
    return this.#bus.stop({ timeoutMs })
  }
}

/** A pattern cannot know payloads; whatever is called `github.*` on this bus was made by {@link definitionFor}. */
const ofDelivery = (handler: EventHandler<Delivered>): EventHandler => handler as EventHandler
