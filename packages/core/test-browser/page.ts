import { createBus, defineCommand, defineEvent, unwrap } from '@buslane/core'

const Happened = defineEvent<{ readonly n: number }>('browser.happened')
const Double = defineCommand<{ readonly n: number }, number>('browser.double')

const equal = (actual: unknown, expected: unknown): void => {
  const [is, ought] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (is !== ought) throw new Error(`got ${is}, expected ${ought}`)
}

/** Runs inside the page. Each function is one test: it passes unless it throws. */
export const tests: Readonly<Record<string, () => Promise<void>>> = {
  async 'R-PRI-2 runs handlers in strict groups'() {
    await using bus = createBus()
    const log: string[] = []
    bus.on(Happened, () => void log.push('last'), { priority: 90 })
    bus.on(
      Happened,
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 5))
        log.push('first')
      },
      { priority: 10 },
    )
    await bus.start()
    await bus.publishAndWait(Happened({ n: 1 }))
    equal(log, ['first', 'last'])
  },

  async 'executes commands with typed results'() {
    await using bus = createBus()
    bus.handle(Double, ({ payload }) => payload.n * 2)
    equal(unwrap(await bus.execute(Double({ n: 21 }))), 42)
  },

  async 'R-PUB-3 waits inside a handler through context, where there is no async context'() {
    await using bus = createBus()
    const log: number[] = []
    bus.on(Happened, async ({ payload: { n } }, { publishAndWait }) => {
      await Promise.resolve()
      if (n < 3) await publishAndWait(Happened({ n: n + 1 }))
      log.push(n)
    })
    await bus.start()
    await bus.publishAndWait(Happened({ n: 1 }))
    equal(log, [3, 2, 1])
  },

  async 'R-SCH-1 fires schedules in order and never early'() {
    await using bus = createBus()
    const log: number[] = []
    bus.on(Happened, ({ payload }) => void log.push(payload.n))
    await bus.start()
    const startedAt = performance.now()
    await bus.schedule(Happened({ n: 2 }), { delayMs: 40 })
    await bus.schedule(Happened({ n: 1 }), { delayMs: 20 })
    await bus.next(Happened, ({ payload }) => payload.n === 2)
    equal(log, [1, 2])
    if (performance.now() - startedAt < 40) throw new Error('it was early')
  },

  async 'R-LANE-4 lets timers in while a long queue drains'() {
    await using bus = createBus({ queue: { capacity: 50_000 } })
    let handled = 0
    let handledAtTimer: number | undefined
    bus.on(Happened, () => {
      for (let spin = 0; spin < 2000; spin++) handled += spin === 0 ? 1 : 0
    })
    await bus.start()
    for (let n = 0; n < 50_000; n++) void bus.publish(Happened({ n }))
    setTimeout(() => (handledAtTimer = handled), 0)
    await bus.idle()
    equal(handled, 50_000)
    if (handledAtTimer === undefined || handledAtTimer === 50_000) throw new Error('the timer had to wait for the end')
  },
}
