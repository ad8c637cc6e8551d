import { expectedMetrics, rareMetrics } from './expected-metrics.ts'
import { namesAskedFor, namesIn } from './metric-names.ts'
import type { SpanTally } from './span-tally.ts'

/** Says what has not arrived, and gives the exit code. */
export async function check(tally: SpanTally, metricsUrl: string): Promise<number> {
  const exposition = await (await fetch(metricsUrl)).text()
  const names = namesIn(exposition)
  const asked = await namesAskedFor()
  const missing = [
    ...tally.missing().map((what) => `span: ${what}`),
    ...expectedMetrics.filter((name) => !names.has(name)).map((name) => `metric: ${name}`),
    ...[...asked]
      .filter((name) => !names.has(name) && !rareMetrics.includes(name))
      .map((name) => `asked for by the dashboard or the alerts: ${name}`),
    ...(exposition.includes('session_id') ? ['metrics without sessions in their labels'] : []),
  ]
  console.log(`\n${tally.count} spans, ${names.size} metrics, ${asked.size} of them on the dashboard or in alerts`)
  for (const what of missing) console.error(`MISSING ${what}`)
  console.log(missing.length === 0 ? 'All kinds of spans and metrics arrived.' : `${missing.length} missing`)
  return missing.length === 0 ? 0 : 1
}
