import { defineCommand, type Persistence } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { VirtualClock } from '@buslane/testkit'
import { describe, expect, it } from 'vitest'
import { deskBus } from './support/desk-bus.ts'

const Do = defineCommand<{ n: number }>('do', { approval: { required: true } })
const DAY_MS = 24 * 3_600_000
const Slow = defineCommand('slow', { approval: { required: true, expiresInMs: 60 * DAY_MS } })

describe('without a store for approvals', () => {
  it('says in the log, in isDurable and in health that they are in memory', async () => {
    await using at = await deskBus({ keeps: 'memory' })
    at.bus.handle(Do, () => {})
    expect(at.logged.filter((line) => line.startsWith('info Approvals are kept in memory'))).toHaveLength(1)
    expect(at.desk.isDurable).toBe(false)
    expect(at.bus.health().warnings).toEqual([])
    await at.bus.execute(Do({ n: 1 }))
    expect(at.bus.health().warnings).toMatchObject([{ code: 'APPROVALS_IN_MEMORY' }])
  })

  it('warns where a store keeps the events, and somebody may think that it keeps approvals too', async () => {
    const clock = new VirtualClock()
    const { approvals: _, ...persistence }: Persistence = memoryPersistence({ clock })
    await using at = await deskBus({ keeps: persistence, clock })
    at.bus.handle(Do, () => {})
    expect(at.logged.filter((line) => line.startsWith('warn Approvals are kept in memory'))).toHaveLength(1)
    expect(await at.bus.execute(Do({ n: 1 }))).toMatchObject({ error: { code: 'APPROVAL_PENDING' } })
  })

  it('keeps so many: settled ones leave, open ones are not forgotten, and more are refused', async () => {
    await using at = await deskBus({ keeps: 'memory', desk: { approvalsInMemory: 2 } })
    at.bus.handle(Do, () => {})
    const ask = (approvalId: string) => at.bus.execute(Do({ n: 1 }), { approvalId })
    await ask('a')
    await ask('b')
    expect(await ask('c')).toMatchObject({ error: { code: 'APPROVALS_FULL' } })
    await at.desk.deny('a', { by: 'ada' })
    expect(await ask('c')).toMatchObject({ error: { code: 'APPROVAL_PENDING' } })
    expect((await at.desk.list()).entries.map(({ id }) => id)).toEqual(['b', 'c'])
    expect(at.bus.health().warnings.map(({ code }) => code)).toContain('APPROVALS_DROPPED')
  })

  it('expires after longer than a timer can count to', async () => {
    await using at = await deskBus({ keeps: 'memory' })
    at.bus.handle(Slow, () => {})
    await at.bus.execute(Slow(), { approvalId: 'a' })
    await at.clock.advance(60 * DAY_MS - 1)
    expect(await at.desk.get('a')).toMatchObject({ state: { is: 'pending' } })
    await at.clock.advance(1)
    expect(await at.desk.get('a')).toMatchObject({ state: { is: 'expired' } })
  })

  it('goes on counting after the bus was stopped and started again', async () => {
    await using at = await deskBus({ keeps: 'memory' })
    at.bus.handle(Slow, () => {})
    await at.bus.execute(Slow(), { approvalId: 'a' })
    await at.bus.stop()
    expect(at.logged).toContain('warn 1 approvals are in memory and end with this process')
    await at.clock.advance(60 * DAY_MS)
    await at.bus.start()
    await at.clock.advance(0)
    expect(await at.desk.get('a')).toMatchObject({ state: { is: 'expired' } })
  })

  it('refuses a cursor and a limit that are none', async () => {
    await using at = await deskBus({ keeps: 'memory' })
    await expect(at.desk.list({ limit: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(at.desk.list({}, 'x')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('fault 14', () => {
  it('R-SCH-1 what waits for a person in memory has one timer for its expiry, and none without', async () => {
    await using at = await deskBus({ keeps: 'memory' })
    at.bus.handle(Do, () => {})
    at.bus.handle(Slow, () => {})
    const before = at.clock.pendingTimers
    void at.bus.execute(Do({ n: 1 }), { waitForApproval: true })
    await at.clock.settle()
    expect(at.clock.pendingTimers).toBe(before)
    void at.bus.execute(Slow(), { waitForApproval: true })
    await at.clock.settle()
    expect(at.clock.pendingTimers).toBe(before + 1)
  })

  it('R-SCH-1 in a store nobody looks at it while nobody waits, and then only once per poll interval', async () => {
    const clock = new VirtualClock()
    const persistence = memoryPersistence({
      clock,
      settings: { leaseMs: 2 ** 31, heartbeatMs: 2 ** 30, sweepMs: 2 ** 30, pollMs: 1000 },
    })
    let looks = 0
    const { approvals } = persistence
    const counted: Persistence = {
      ...persistence,
      approvals: {
        contract: approvals.contract,
        durable: true,
        add: (approval, then) => approvals.add(approval, then),
        get: (id) => {
          looks++
          return approvals.get(id)
        },
        list: (query) => approvals.list(query),
        update: (at, change, then) => approvals.update(at, change, then),
        discard: (at) => approvals.discard(at),
      },
    }
    await using at = await deskBus({ keeps: counted, clock })
    at.bus.handle(Do, () => {})
    await at.bus.execute(Do({ n: 1 }), { approvalId: 'a' })
    looks = 0
    await clock.advance(60_000)
    expect(looks).toBe(0)
    const stop = new AbortController()
    const waiting = at.bus.execute(Do({ n: 1 }), { approvalId: 'a', waitForApproval: true, signal: stop.signal })
    await clock.settle()
    looks = 0
    await clock.advance(60_000)
    expect(looks).toBe(60)
    stop.abort()
    await waiting
    looks = 0
    await clock.advance(60_000)
    expect(looks).toBe(0)
  })

  it('R-SCH-1 hints make who waits look at most ten times a second', async () => {
    const clock = new VirtualClock()
    const persistence = memoryPersistence({
      clock,
      settings: { leaseMs: 2 ** 31, heartbeatMs: 2 ** 30, sweepMs: 2 ** 30, pollMs: 2 ** 30 },
    })
    const { approvals } = persistence
    const hints: (() => void)[] = []
    let looks = 0
    const counted: Persistence = {
      ...persistence,
      approvals: {
        contract: approvals.contract,
        durable: true,
        add: (approval, then) => approvals.add(approval, then),
        get: (id) => {
          looks++
          return approvals.get(id)
        },
        list: (query) => approvals.list(query),
        update: (at, change, then) => approvals.update(at, change, then),
        discard: (at) => approvals.discard(at),
        onHint: (listener) => {
          hints.push(listener)
          return { [Symbol.dispose]: () => void hints.splice(hints.indexOf(listener), 1) }
        },
      },
    }
    await using at = await deskBus({ keeps: counted, clock })
    at.bus.handle(Do, () => {})
    const stop = new AbortController()
    const waiting = at.bus.execute(Do({ n: 1 }), { waitForApproval: true, signal: stop.signal })
    await clock.advance(1000)
    looks = 0
    for (let ms = 0; ms < 990; ms += 10) {
      for (const hint of hints) hint()
      await clock.advance(10)
    }
    expect(looks).toBe(10)
    stop.abort()
    await waiting
    expect(hints).toEqual([])
  })
})
