import { readFileSync } from 'node:fs'
import path from 'node:path'
import { DataPointType, type MetricData } from '@opentelemetry/sdk-metrics'

/** A metric as its users see it. */
export interface TableRow {
  readonly name: string
  readonly type: string
  readonly unit: string
  readonly labels: readonly string[]
}

/** What the checked-in table promises. */
export const readTable = (): TableRow[] => {
  const file = path.join(import.meta.dirname, '../../../../docs/telemetry-metrics.md')
  const [, table = ''] = readFileSync(file, 'utf8').split('## The table\n')
  return [...table.split('\n## ')[0]!.matchAll(/^\| `([^`]+)` \| ([^|]+) \| `([^`]+)` \| ([^|]*) ?\|/gm)].map(
    ([, name = '', type = '', unit = '', labels = '']) => ({
      name,
      type,
      unit,
      labels: ['buslane.bus', ...[...labels.matchAll(/`([^`]+)`/g)].map(([, label = '']) => label)].toSorted(),
    }),
  )
}

const typeOf = (metric: MetricData): string => {
  if (metric.dataPointType === DataPointType.GAUGE) return 'gauge'
  if (metric.dataPointType !== DataPointType.SUM) return 'histogram'
  return metric.isMonotonic ? 'counter' : 'up-down counter'
}

/** What an SDK collected, in the same form. Labels: those of all points together. */
export const asTable = (metrics: readonly MetricData[]): TableRow[] =>
  metrics
    .filter(({ dataPoints }) => dataPoints.length > 0)
    .map((metric) => ({
      name: metric.descriptor.name,
      type: typeOf(metric),
      unit: metric.descriptor.unit,
      labels: [...new Set(metric.dataPoints.flatMap(({ attributes }) => Object.keys(attributes)))].toSorted(),
    }))

export const byName = (a: TableRow, b: TableRow): number => (a.name < b.name ? -1 : 1)
