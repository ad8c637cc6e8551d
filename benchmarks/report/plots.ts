import * as echarts from 'echarts'
import type { Curve } from '../harness/section.ts'
import { spreadOf } from '../harness/statistics.ts'

const WIDTH = 640
const HEIGHT = 280

/** `cost with open sessions` is in `cost-with-open-sessions.svg`. */
export const plotFileOf = ({ contest }: Curve): string => `${contest.replaceAll(/[^a-z0-9]+/gi, '-')}.svg`

/** Medians as a line, the lowest and highest round as a band around it; sizes on a logarithmic axis. */
export const plotOf = ({ contest, caveat, axis, points }: Curve): string => {
  const spreads = points.map(({ at, values }) => ({ at, ...spreadOf(values) }))
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT })
  const invisible = { type: 'line', stack: 'band', symbol: 'none', silent: true, lineStyle: { opacity: 0 } } as const
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: { text: `Nanoseconds: ${contest}`, subtext: caveat ?? '', textStyle: { fontSize: 14 }, left: 8 },
    grid: { left: 70, right: 30, top: 70, bottom: 50 },
    xAxis: {
      type: 'category',
      name: axis,
      nameLocation: 'middle',
      nameGap: 30,
      data: spreads.map(({ at }) => at.toLocaleString('en')),
    },
    yAxis: { type: 'value', min: 0, axisLabel: { formatter: '{value} ns' } },
    series: [
      { ...invisible, data: spreads.map(({ lowest }) => lowest) },
      { ...invisible, data: spreads.map(({ lowest, highest }) => highest - lowest), areaStyle: { color: '#b8d4f0' } },
      {
        type: 'line',
        data: spreads.map(({ median }) => median),
        symbolSize: 6,
        lineStyle: { color: '#1f5fa8' },
        itemStyle: { color: '#1f5fa8' },
      },
    ],
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return `${svg}\n`
}
