import { createBus, defineEvent, HandlerPriority } from '@buslane/core'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type HandlerName, Journal, type Run } from '../src/journal.ts'
import { checkOrder } from '../src/order-check.ts'

const run = (
  delivery: number,
  handler: HandlerName,
  startedAt: number,
  endedAt: number | undefined,
  lane = 'octo/repo',
): Run => ({ handler, messageId: `message-${delivery}`, lane, delivery, startedAt, endedAt, failed: false })

const rulesOf = (...runs: Run[]): string[] => checkOrder(runs).map(({ rule }) => rule)

describe('groups', () => {
  it('accepts groups that wait for each other', () => {
    expect(
      rulesOf(run(1, 'audit', 0, 2), run(1, 'label', 2, 5), run(1, 'remind', 2, 3), run(1, 'count', 5, 6)),
    ).toEqual([])
  })

  it('reports a group that starts before the slowest handler of the one before has ended', () => {
    expect(
      rulesOf(run(1, 'audit', 0, 2), run(1, 'label', 2, 5), run(1, 'remind', 2, 3), run(1, 'notify', 4, 6)),
    ).toEqual(['a group waits for the group before'])
  })

  it('reports groups that ran in the wrong order', () => {
    expect(rulesOf(run(1, 'count', 0, 1), run(1, 'audit', 1, 2))).toEqual(['a group waits for the group before'])
  })

  it('reports a group that starts while the one before never ends', () => {
    expect(rulesOf(run(1, 'audit', 0, undefined), run(1, 'notify', 10, 11))).toEqual([
      'a group waits for the group before',
    ])
  })
})

describe('lanes', () => {
  it('accepts lanes side by side', () => {
    expect(rulesOf(run(1, 'audit', 0, 10), run(2, 'audit', 5, 15, 'octo/other'))).toEqual([])
  })

  it('reports an event that starts before the one ahead of it in its lane has ended', () => {
    expect(rulesOf(run(1, 'audit', 0, 10), run(2, 'audit', 9, 15))).toEqual(['a lane does one event at a time'])
  })

  it('reports an event inside a long one that another event already followed', () => {
    expect(rulesOf(run(1, 'audit', 0, 100), run(2, 'audit', 100, 101), run(3, 'audit', 50, 60))).toEqual([
      'a lane does one event at a time',
      'a lane keeps its order',
    ])
  })

  it('reports deliveries of a lane that changed places', () => {
    expect(rulesOf(run(2, 'audit', 0, 1), run(1, 'audit', 1, 2))).toEqual(['a lane keeps its order'])
  })
})

describe('a real bus', () => {
  const Delivered = defineEvent<{ lane: string; event: string; number: number }>('github.test')

  async function rulesOnBus(
    lane: (() => string) | (() => undefined),
    auditPriority: number,
  ): Promise<ReadonlySet<string>> {
    const journal = new Journal()
    await using bus = createBus({ lane })
    const slow = (): Promise<void> => nextTurn()
    bus.on(Delivered, journal.timed('audit', slow), { priority: auditPriority })
    bus.on(Delivered, journal.timed('notify', slow), { priority: HandlerPriority.LOW })
    await bus.start()
    for (const number of [1, 2, 3]) await bus.publish(Delivered({ lane: 'octo/repo', event: 'test', number }))
    await bus.idle()
    return new Set(checkOrder(journal.runs).map(({ rule }) => rule))
  }

  it('passes with the lane of the repository', async () => {
    expect(await rulesOnBus(() => 'octo/repo', HandlerPriority.HIGHEST)).toEqual(new Set())
  })

  it('is caught when it has no lanes', async () => {
    expect(await rulesOnBus(() => undefined, HandlerPriority.HIGHEST)).toEqual(
      new Set(['a lane does one event at a time']),
    )
  })

  it('is caught when audit and notification have one priority', async () => {
    expect(await rulesOnBus(() => 'octo/repo', HandlerPriority.LOW)).toEqual(
      new Set(['a group waits for the group before']),
    )
  })

  it('is caught when audit comes last', async () => {
    expect(await rulesOnBus(() => 'octo/repo', HandlerPriority.LOWEST)).toEqual(
      new Set(['a group waits for the group before']),
    )
  })
})
