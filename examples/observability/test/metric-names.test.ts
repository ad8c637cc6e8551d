import { describe, expect, it } from 'vitest'
import { expectedMetrics, rareMetrics } from '../src/expected-metrics.ts'
import { namesAskedFor, namesIn, namesOf } from '../src/metric-names.ts'

describe('names of metrics', () => {
  it('are found in queries, without labels and the suffixes of histograms', () => {
    const query =
      'histogram_quantile(0.99, sum by (le, buslane_bus) (rate(buslane_handler_duration_bucket{buslane_bus=~"$bus"}[5m])))'
    expect(namesOf(`${query} > buslane_queue_size`)).toEqual(['buslane_handler_duration', 'buslane_queue_size'])
  })

  it('are found in what Prometheus reads', () => {
    expect([...namesIn('# HELP a x\n# TYPE a gauge\na{b="c"} 1\n# TYPE d counter\n')]).toEqual(['a', 'd'])
  })

  it('on the dashboard and in the alert rules are all known to the check', async () => {
    const asked = await namesAskedFor()
    expect(asked.size).toBeGreaterThan(20)
    const known = new Set([...expectedMetrics, ...rareMetrics])
    expect([...asked].filter((name) => !known.has(name))).toEqual([])
  })
})
