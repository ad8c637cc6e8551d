import { readFile } from 'node:fs/promises'

const read = (file: string): Promise<string> => readFile(new URL(`../${file}`, import.meta.url), 'utf8')

/** The names of the metrics in a text of Prometheus. */
export const namesIn = (exposition: string): Set<string> =>
  new Set([...exposition.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name))

/** The names that a query asks for, without the suffixes of histograms and without labels. */
export const namesOf = (query: string): string[] =>
  [...query.replaceAll(/\{[^}]*\}|by \([^)]*\)/g, '').matchAll(/\b(?:buslane|messaging)_\w+/g)].map(([name]) =>
    name.replace(/_(bucket|sum|count)$/, ''),
  )

/** The names that the dashboard and the alert rules ask for. */
export async function namesAskedFor(): Promise<Set<string>> {
  const dashboard = JSON.parse(await read('grafana/dashboard.json')) as {
    panels: readonly { targets?: readonly { expr: string }[] }[]
  }
  const rules = (await read('prometheus/alerts.yml')).matchAll(/^ *expr: >-\n(.*)$/gm)
  const queries = [
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...[...rules].map(([, query = '']) => query),
  ]
  return new Set(queries.flatMap(namesOf))
}
