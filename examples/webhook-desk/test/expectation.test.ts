import { describe, expect, it } from 'vitest'
import { type Delivery, readDeliveries } from '../src/deliveries.ts'
import { expectedFigures } from '../src/expectation.ts'
import { differences } from '../src/figures.ts'

const delivery = (number: number, event: string, action: string): Delivery => ({ number, event, body: { action } })

describe('expectedFigures', () => {
  it('counts which handlers run for what', () => {
    const deliveries = [
      delivery(1, 'issues', 'opened'),
      delivery(2, 'pull_request', 'closed'),
      delivery(3, 'dependabot_alert', 'created'),
      delivery(4, 'dependabot_alert', 'fixed'),
      delivery(5, 'issue_comment', 'created'),
    ]
    expect(expectedFigures(deliveries, 1)).toMatchObject({
      'deliveries handled': 5,
      'kinds counted': 4,
      'runs of audit': 5,
      'runs of triage': 2,
      'runs of label': 2,
      'runs of remind': 2,
      'runs of notify': 5,
      'runs of page': 1,
      'runs of follow-up': 1,
      'runs of incident': 1,
      'runs of inform': 1,
      'events settled': 7,
      'order violations': 0,
    })
  })

  it('knows the failures of a seed, which differ from those of another', async () => {
    const deliveries = await readDeliveries({ seed: 1, repeat: 1 })
    expect(expectedFigures(deliveries, 1)).toMatchObject({ 'failures thrown': 4, retries: 39 })
    expect(expectedFigures(deliveries, 2)).toMatchObject({ 'failures thrown': 7, retries: 44 })
  })
})

describe('readDeliveries', () => {
  it('has all 329 deliveries of 58 kinds, 8 of them newly opened issues and pull requests', async () => {
    const deliveries = await readDeliveries({ seed: 1, repeat: 1 })
    expect(expectedFigures(deliveries, 1)).toMatchObject({
      'deliveries handled': 329,
      'kinds counted': 58,
      'follow-ups planned': 8,
    })
  })

  it('has the same order for the same seed, another for another', async () => {
    const [first, again, other] = await Promise.all([1, 1, 2].map((seed) => readDeliveries({ seed, repeat: 1 })))
    expect(again).toEqual(first)
    expect(other).not.toEqual(first)
  })

  it('repeats them with numbers that go on', async () => {
    const deliveries = await readDeliveries({ seed: 1, repeat: 3 })
    expect(deliveries.map(({ number }) => number)).toEqual(Array.from({ length: 987 }, (_, index) => index + 1))
  })
})

describe('differences', () => {
  const expected = expectedFigures([delivery(1, 'issues', 'opened')], 1)

  it('has nothing to say when all is as expected', () => {
    expect(differences(expected, expected)).toEqual([])
  })

  it.each(Object.keys(expected) as (keyof typeof expected)[])('names %s when it is off', (name) => {
    const seen = { ...expected, [name]: expected[name] + 1 }
    expect(differences(seen, expected)).toEqual([`${name}: ${expected[name] + 1} instead of ${expected[name]}`])
  })
})
