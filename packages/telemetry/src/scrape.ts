import type { BusStats, Persistence, PluginHost, StoredStats } from '@buslane/core'
import type { EventLoopDelay } from './event-loop-delay.ts'
import type { Guard } from './guard.ts'
import type { Tell } from './instruments.ts'
import type { MessageMetrics } from './message-metrics.ts'
import { COUNTED, EVENT_LOOP, READ, STORE_COUNTED, STORE_READ } from './metric-definitions.ts'
import type { SignalMetrics } from './signal-metrics.ts'

/** What a scrape reads. */
export interface Sources {
  readonly host: PluginHost
  readonly messages: MessageMetrics
  readonly signals: SignalMetrics
  readonly eventLoop: EventLoopDelay
}

/** Reads all that is known in this process, now. */
export const scrape = ({ host, messages, signals, eventLoop }: Sources, tell: Tell): void => {
  const bus = { 'buslane.bus': host.name }
  for (const name of ['sent', 'consumed', 'retries'] as const) {
    for (const { value, attributes } of messages.sums[name].values()) tell(COUNTED[name], value, attributes)
  }
  const stats = host.stats()
  tellStats(stats, tell)
  if (stats.stored !== undefined) tellStored(stats.stored, host.name, tell)
  signals.scrape(tell)
  for (const { quantile, value } of eventLoop.read()) {
    tell(EVENT_LOOP.delay, value, { ...bus, 'buslane.quantile': quantile })
  }
}

const tellStats = (stats: BusStats, tell: Tell): void => {
  const { name, waiting, system, stored, lanes, handlers } = stats
  const bus = { 'buslane.bus': name }
  const strategy = { ...bus, 'buslane.queue.strategy': stats.strategy }
  const kind = (of: 'memory' | 'stored' | 'system') => ({ ...bus, 'buslane.event.kind': of })
  tell(READ.queueSize, waiting, kind('memory'))
  tell(READ.queueSize, system.waiting, kind('system'))
  tell(READ.running, stats.running, kind('memory'))
  tell(READ.running, system.running, kind('system'))
  if (stored !== undefined) {
    tell(READ.queueSize, stored.waiting, kind('stored'))
    tell(READ.running, stored.running, kind('stored'))
  }
  tell(READ.queueCapacity, stats.capacity, bus)
  tell(READ.oldestAge, stats.oldestWaitingMs / 1000, bus)
  tell(READ.buffered, stats.buffered, bus)
  tell(READ.blocked, stats.blocked, bus)
  tell(READ.dropped, stats.dropped, strategy)
  tell(READ.rejected, stats.rejected, strategy)
  tell(READ.filtered, stats.filtered, bus)
  tell(READ.scheduled, stats.scheduled, bus)
  tell(READ.lanesActive, lanes.active, bus)
  tell(READ.lanesRunning, lanes.running, bus)
  tell(READ.commandsRunning, stats.commands.running, bus)
  tell(READ.handlerFailures, stats.handlerFailures, bus)
  tell(READ.sessions, stats.sessions, bus)
  tell(READ.observerErrors, stats.observerErrors, bus)
  if (handlers === undefined) return
  tell(READ.handlers, handlers.commandHandlers, { ...bus, 'buslane.handler.kind': 'command' })
  tell(READ.handlers, handlers.eventHandlers, { ...bus, 'buslane.handler.kind': 'event' })
  tell(READ.handlers, handlers.patternHandlers, { ...bus, 'buslane.handler.kind': 'pattern' })
}

const OPERATIONS = [
  'appended',
  'claimed',
  'completed',
  'retried',
  'released',
  'deferred',
  'undecodable',
  'dead',
] as const satisfies readonly (keyof StoredStats)[]

const tellStored = (stored: StoredStats, name: string, tell: Tell): void => {
  const bus = { 'buslane.bus': name }
  tell(STORE_READ.up, stored.store === 'up' ? 1 : 0, bus)
  tell(STORE_READ.leases, stored.leased, bus)
  tell(STORE_READ.lost, stored.lost, bus)
  tell(STORE_READ.takeovers, stored.rescued, bus)
  tell(STORE_READ.duplicates, stored.duplicates, bus)
  tell(STORE_READ.toBeStored, stored.toBeStored, bus)
  tell(STORE_READ.unlogged, stored.unlogged, bus)
  for (const operation of OPERATIONS) {
    tell(STORE_READ.operations, stored[operation], { ...bus, 'buslane.store.operation': operation })
  }
}

/** Counts what is in the store: one query at a time, and none for which a scrape has to wait longer than it may. */
export class StoreCounter {
  readonly #host: PluginHost
  readonly #guard: Guard
  readonly #timeoutMs: number
  #counting: Promise<readonly Parameters<Tell>[]> | undefined

  constructor(host: PluginHost, guard: Guard, timeoutMs: number) {
    this.#host = host
    this.#guard = guard
    this.#timeoutMs = timeoutMs
  }

  async scrape(tell: Tell): Promise<void> {
    if (this.#host.stats().stored?.store !== 'up') return
    this.#counting ??= this.#count().finally(() => (this.#counting = undefined))
    for (const told of await this.#inTime(this.#counting)) tell(...told)
  }

  async #count(): Promise<readonly Parameters<Tell>[]> {
    try {
      return await countStore(this.#host.persistence, this.#host.name)
    } catch (error) {
      // The store went away meanwhile: `buslane.store.up` says so.
      this.#guard.failed(error)
      return []
    }
  }

  #inTime(counting: Promise<readonly Parameters<Tell>[]>): Promise<readonly Parameters<Tell>[]> {
    const { clock } = this.#host
    return new Promise((resolve) => {
      const timer = clock.setTimer(() => resolve([]), this.#timeoutMs)
      void counting.then((counted) => {
        clock.clearTimer(timer)
        resolve(counted)
      })
    })
  }
}

const countStore = async ({ inspect, deadLetters }: Persistence, name: string): Promise<Parameters<Tell>[]> => {
  const bus = { 'buslane.bus': name }
  const told: Parameters<Tell>[] = []
  const [counts, letters] = await Promise.all([inspect?.counts(), deadLetters?.count()])
  if (counts !== undefined) {
    for (const state of ['scheduled', 'ready', 'running', 'unhandled', 'undecodable', 'dead'] as const) {
      told.push([STORE_COUNTED.events, counts[state], { ...bus, 'buslane.store.state': state }])
    }
    told.push(
      [STORE_COUNTED.oldestReady, counts.oldestReadyMs / 1000, bus],
      [STORE_COUNTED.stuck, counts.stuck, bus],
      [STORE_COUNTED.workers, counts.workers, bus],
    )
  }
  for (const [reason, count] of Object.entries(letters ?? {})) {
    const labels = { ...bus, 'buslane.dead_letter.reason': reason, 'buslane.dead_letter.place': 'store' }
    told.push([STORE_COUNTED.deadLettersWaiting, count, labels])
  }
  return told
}
