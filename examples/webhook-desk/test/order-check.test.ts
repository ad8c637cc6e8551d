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
  { lane = 'octo/repo', process = 0 } = {},
): Run => ({ handler, messageId: `message-${delivery}`, lane, delivery, process, startedAt, endedAt, failed: false })

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
    expect(rulesOf(run(1, 'audit', 0, 10), run(2, 'audit', 5, 15, { lane: 'octo/other' }))).toEqual([])
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

describe('kills', () => {
  const killed = new Set([0])
  const rulesAfterKill = (...runs: Run[]): string[] => checkOrder(runs, killed).map(({ rule }) => rule)
  const later = { process: 1 }

  it('accepts handlers that a kill has cut short, or whose end was not written, and that run again', () => {
    expect(
      rulesAfterKill(
        run(1, 'audit', 0, 2),
        run(1, 'label', 2, undefined),
        run(1, 'audit', 10, 12, later),
        run(1, 'label', 12, 13, later),
        run(1, 'count', 13, 14, later),
        run(2, 'audit', 14, 15, later),
      ),
    ).toEqual([])
  })

  it('accepts an event that goes on after the groups that were done', () => {
    expect(rulesAfterKill(run(1, 'audit', 0, 2), run(1, 'label', 10, 12, later))).toEqual([])
  })

  it('reports a group that goes on though the one before was cut short', () => {
    expect(rulesAfterKill(run(1, 'audit', 0, undefined), run(1, 'label', 10, 12, later))).toEqual([
      'a group waits for the group before',
    ])
  })

  it('reports a handler that runs twice without a kill', () => {
    const again = 'a handler runs again only after a failure or a kill'
    expect(rulesOf(run(1, 'audit', 0, 2), run(1, 'audit', 2, 3))).toEqual([again])
    expect(rulesOf(run(1, 'audit', 0, 2), run(1, 'audit', 10, 12, later))).toEqual([again])
    expect(rulesAfterKill(run(1, 'audit', 10, 12, later), run(1, 'audit', 12, 13, later))).toEqual([again])
  })

  it('reports an event that runs again though the next of its lane had begun', () => {
    expect(
      rulesAfterKill(run(1, 'audit', 0, 2), run(2, 'audit', 2, undefined), run(1, 'audit', 10, 12, later)),
    ).toEqual(['a lane keeps its order'])
  })

  it('reports an event that begins in the next process before the one ahead of it goes on', () => {
    expect(
      rulesAfterKill(run(1, 'audit', 0, undefined), run(2, 'audit', 10, 11, later), run(1, 'audit', 11, 12, later)),
    ).toEqual(['a lane keeps its order'])
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
