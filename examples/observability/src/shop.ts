import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Bus,
  consoleLogger,
  createBus,
  defineCommand,
  defineEvent,
  HandlerPriority,
  type Plugin,
  type Session,
  unwrap,
} from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { resilience } from '@buslane/resilience'
import type { Services } from './services.ts'

const OrderPlaced = defineEvent<{ readonly order: number; readonly sku: string }>('order.placed')
const StockLow = defineEvent<{ readonly sku: string; readonly left: number }>('stock.low', { durable: true })
const ReviewWanted = defineEvent<{ readonly order: number }>('review.wanted')
const ReserveStock = defineCommand<{ readonly sku: string }, { readonly left: number }>('stock.reserve')

const CUSTOMERS = 10
const ASK_FOR_REVIEW_AFTER_MS = 300
const LOW_STOCK = 3

export interface ShopOptions {
  readonly services: Services
  /** What else is installed on the bus, such as telemetry. */
  readonly plugins: readonly Plugin[]
}

/** A small shop: a placed order reserves stock, is mailed, and is asked about later. Each customer is a session. */
export class Shop {
  readonly #bus: Bus
  readonly #customers: readonly Session[]
  readonly #persistence = memoryPersistence()
  #orders = 0

  constructor({ services, plugins }: ShopOptions) {
    const guard = resilience({
      retry: { maxRetries: 1, initialDelayMs: 10 },
      circuitBreaker: { consecutive: 2, openForMs: 50 },
      intakePause: { failureRate: 0.5, minimumCalls: 20, windowMs: 10_000, pauseForMs: 5_000 },
    })
    const bus = createBus({
      name: 'shop',
      persistence: this.#persistence,
      plugins: [guard, ...plugins],
      // Failed mails are in the traces and in the metrics.
      logger: { ...consoleLogger, error() {} },
    })
    this.#bus = bus
    handleOrders(bus, services)
    this.#customers = Array.from({ length: CUSTOMERS }, (_, n) => bus.session(`customer-${n + 1}`))
  }

  start(): Promise<void> {
    return this.#bus.start()
  }

  /** Takes an order in: this is what an HTTP route would call. */
  async placeOrder(): Promise<void> {
    const order = ++this.#orders
    await this.#customers[order % CUSTOMERS]?.publish(OrderPlaced({ order, sku: `tea-${order % 7}` }))
  }

  /** Resolves when every order is handled, and what came of it. */
  async done(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#bus.idle({ signal })
      const { scheduled, ready, running } = await this.#persistence.inspect.counts()
      if (scheduled + ready + running + this.#bus.stats().scheduled === 0) return
      await sleep(20, undefined, { signal })
    }
  }

  async stop(): Promise<void> {
    await this.#bus.stop({ timeoutMs: 1_000 })
  }
}

function handleOrders(bus: Bus, services: Services): void {
  bus.handle(ReserveStock, ({ payload }, { signal }) => services.reserve(payload.sku, signal), { name: 'reserve' })
  bus.on(
    OrderPlaced,
    async ({ payload: { sku } }, { execute, publish }) => {
      const { left } = unwrap(await execute(ReserveStock({ sku })))
      if (left < LOW_STOCK) await publish(StockLow({ sku, left }))
    },
    { name: 'reserve-stock', priority: HandlerPriority.HIGH },
  )
  bus.on(
    OrderPlaced,
    async ({ payload: { order } }, { schedule }) => {
      await schedule(ReviewWanted({ order }), { delayMs: ASK_FOR_REVIEW_AFTER_MS })
    },
    { name: 'plan-review' },
  )
  bus.on(OrderPlaced, ({ payload }, { signal }) => services.sendMail(payload.order, signal), {
    name: 'confirm',
    priority: HandlerPriority.LOW,
  })
  bus.on(StockLow, ({ payload }, { signal }) => services.orderMore(payload.sku, signal), { name: 'order-more' })
  bus.on(ReviewWanted, ({ payload }, { signal }) => services.askForReview(payload.order, signal), { name: 'ask' })
}
