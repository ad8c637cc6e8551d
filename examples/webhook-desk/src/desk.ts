import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Bus,
  type BusStats,
  consoleLogger,
  createBus,
  EventHandlerFailed,
  type EventHandler,
  HandlerPriority,
  type PublishReceipt,
  type StopReport,
} from '@buslane/core'
import { AuditLog } from './audit-log.ts'
import { PageOnCall } from './commands.ts'
import type { Delivery } from './deliveries.ts'
import { AlertDelivered, type Delivered, definitionFor } from './events.ts'
import { audit } from './handlers/audit.ts'
import { count } from './handlers/count.ts'
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
  readonly #repository: RepositoryOptions

  constructor({ concurrency, journal, services, followUpAfterMs }: DeskOptions) {
    this.#repository = { journal, services, followUpAfterMs, followUpPlanned: () => void this.followUpsPlanned++ }
    const bus = createBus({
      name: 'webhook-desk',
      concurrency,
      // One delivery of a repository at a time, in the order they came in; repositories side by side.
      lane: ({ payload }) => (payload as { lane: string }).lane,
      // Failures of handlers are told to the handler of EventHandlerFailed below.
      logger: { ...consoleLogger, error() {} },
    })
    this.#bus = bus

    bus.onPattern('github.*', ofDelivery(journal.timed('audit', audit(this.auditLog, services))), {
      name: 'audit',
      priority: HandlerPriority.HIGHEST,
    })
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
    bus.handle(PageOnCall, journal.timed('page', page('the desk', services)), { name: 'page' })
    bus.on(EventHandlerFailed, ({ payload: { handler, error } }) => {
      this.failures.set(error.name, (this.failures.get(error.name) ?? 0) + 1)
      if (error.name !== MailRefused.name) console.error(`handler '${handler}' failed: ${error.message}`)
    })
  }

  /** Starts handling; `handled` is called after each delivery. */
  async start(handled: () => void): Promise<void> {
    this.#bus.observe({ eventSettled: ({ type }) => void (type.startsWith('github.') && handled()) })
    await this.#bus.start()
  }

  /** Takes a delivery in; this is what an HTTP route would call. Resolves when it is accepted, not when it is handled. */
  async receive({ number, event, body }: Delivery): Promise<PublishReceipt> {
    const { repository, lane } = originOf(body)
    const message = definitionFor(event)({ number, event, lane, body })
    if (repository === undefined) return this.#bus.publish(message)
    const session = this.#bus.getSession(repository) ?? openRepository(this.#bus, repository, this.#repository)
    return session.publish(message)
  }

  /** Resolves when everything taken in is handled and every follow-up has fired. */
  async done(signal: AbortSignal): Promise<void> {
    do {
      while (this.#bus.stats().scheduled > 0) await sleep(10, undefined, { signal })
      await this.#bus.idle({ signal })
    } while (this.#bus.stats().scheduled > 0)
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
