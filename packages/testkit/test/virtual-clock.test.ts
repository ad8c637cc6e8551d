import { VirtualClock } from '@buslane/testkit'
import { expect, it } from 'vitest'

it('fires by due time, then in the order of setting, and what a fired timer sets in its turn', async () => {
  const clock = new VirtualClock()
  const fired: string[] = []
  const note = (what: string) => () => void fired.push(`${what} at ${clock.monotonic()}`)
  clock.setTimer(note('c'), 30)
  clock.setTimer(note('a'), 10)
  clock.setTimer(note('b'), 10)
  clock.setTimer(() => clock.setTimer(note('nested'), 5), 20)
  await clock.advance(40)
  expect(fired).toEqual(['a at 10', 'b at 10', 'nested at 25', 'c at 30'])
})

it('fires nothing early, and nothing that was cleared', async () => {
  const clock = new VirtualClock()
  let fired = 0
  clock.setTimer(() => (fired += 1), 10)
  clock.clearTimer(clock.setTimer(() => (fired += 100), 5))
  await clock.advance(9)
  expect([fired, clock.pendingTimers]).toEqual([0, 1])
  await clock.advance(1)
  expect([fired, clock.pendingTimers]).toEqual([1, 0])
})

it('lets what follows from a timer happen before the next one, through any number of promises', async () => {
  const clock = new VirtualClock()
  const seen: string[] = []
  clock.setTimer(() => {
    void (async () => {
      for (let step = 0; step < 1000; step++) await Promise.resolve()
      seen.push(`follows at ${clock.monotonic()}`)
    })()
  }, 1)
  clock.setTimer(() => void seen.push('next'), 2)
  await clock.advance(2)
  expect(seen).toEqual(['follows at 1', 'next'])
})

it('C-31 steps the wall clock without the timers noticing', async () => {
  const clock = new VirtualClock(1000)
  let fired = false
  clock.setTimer(() => (fired = true), 100)
  clock.stepWall(-500)
  expect([clock.now(), clock.monotonic()]).toEqual([500, 0])
  await clock.advance(99)
  expect(fired).toBe(false)
  await clock.advance(1)
  expect(fired).toBe(true)
})

it('stops where a condition holds', async () => {
  const clock = new VirtualClock()
  let count = 0
  for (const at of [10, 20, 30]) clock.setTimer(() => (count += 1), at)
  await clock.advance('1m', { until: () => count === 2 })
  expect([count, clock.monotonic()]).toEqual([2, 20])
})
