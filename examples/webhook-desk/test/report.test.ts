import { describe, expect, it } from 'vitest'
import { AuditLog } from '../src/audit-log.ts'
import { expectedFigures } from '../src/expectation.ts'
import { percentile } from '../src/percentile.ts'
import { Progress } from '../src/progress.ts'
import { formatReport } from '../src/report.ts'

describe('percentile', () => {
  it('is the nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index)
    expect([0, 0.5, 0.99, 1].map((share) => percentile(values, share))).toEqual([1, 50, 99, 100])
  })

  it('is nothing without values', () => {
    expect(percentile([], 0.5)).toBeUndefined()
  })
})

describe('AuditLog', () => {
  it('has no broken link when each entry was made after the one before', () => {
    const log = new AuditLog()
    for (const delivery of [1, 2, 3]) log.append('octo/repo', delivery, log.head('octo/repo'))
    expect(log.brokenLinks).toBe(0)
  })

  it('has a broken link when two entries were made at once', () => {
    const log = new AuditLog()
    const head = log.head('octo/repo')
    for (const delivery of [1, 2]) log.append('octo/repo', delivery, head)
    expect(log.brokenLinks).toBe(1)
  })
})

describe('formatReport', () => {
  it('fits 80 columns', () => {
    const figures = expectedFigures([], 1)
    const lines = formatReport({ offered: 329_000, seconds: 2000, runs: [], figures }).split('\n')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
  })
})

describe('Progress', () => {
  const written = (total: number, terminal: object): string => {
    let text = ''
    const progress = new Progress(total, { ...terminal, write: (more: string) => void (text += more) })
    for (let done = 0; done < total; done++) progress.step()
    progress.end()
    return text
  }

  it('writes a line for each quarter where there is no terminal', () => {
    expect(written(8, {}).split('\n')).toEqual([
      '2 of 8  25% deliveries',
      '4 of 8  50% deliveries',
      '6 of 8  75% deliveries',
      '8 of 8 100% deliveries',
      '',
    ])
  })

  it('draws a bar that fits a narrow terminal', () => {
    expect(written(4, { isTTY: true, columns: 30 }).split('\r').at(-1)).toBe('[###############] 4 of 4 100%\n')
  })

  it('takes a terminal of unknown size for one of 80 columns', () => {
    expect(written(4, { isTTY: true, columns: 0 }).split('\r').at(-1)).toHaveLength(80)
  })
})
