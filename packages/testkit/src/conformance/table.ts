import type { CheckResult } from './check.ts'

/** What became of the checks as a Markdown table, for the README of an adapter. */
export function conformanceTable(results: readonly CheckResult[]): string {
  const rows = results.map((result) => `| ${result.check.id} | ${result.check.title} | ${outcomeOf(result)} |`)
  return ['| check | what the store does | result |', '| --- | --- | --- |', ...rows, '', summaryOf(results)].join('\n')
}

function outcomeOf(result: CheckResult): string {
  switch (result.status) {
    case 'passed':
      return 'passed'
    case 'failed':
      return `**failed**: ${inOneCell(result.error instanceof Error ? result.error.message : String(result.error))}`
    case 'skipped':
      return `skipped: ${inOneCell(result.reason)}`
  }
}

function summaryOf(results: readonly CheckResult[]): string {
  const count = (status: CheckResult['status']): number => results.filter((result) => result.status === status).length
  return `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped.`
}

const inOneCell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ')

/**
 * The results of whole suites, by the name of the contract, as a Markdown table with a row for each: how many passed, and which were
 * skipped and why. For a README that has no room for {@link conformanceTable}.
 */
export function conformanceSummary(suites: Readonly<Record<string, readonly CheckResult[]>>): string {
  const rows = Object.entries(suites).map(([name, results]) => {
    const count = (status: CheckResult['status']): number => results.filter((one) => one.status === status).length
    return `| ${name} | ${count('passed')} | ${count('failed')} | ${skippedIn(results)} |`
  })
  return ['| contract | passed | failed | skipped, because it is absent |', '| --- | --- | --- | --- |', ...rows].join(
    '\n',
  )
}

function skippedIn(results: readonly CheckResult[]): string {
  const byReason = new Map<string, string[]>()
  for (const result of results) {
    if (result.status !== 'skipped') continue
    byReason.set(result.reason, [...(byReason.get(result.reason) ?? []), result.check.id])
  }
  if (byReason.size === 0) return 'none'
  return [...byReason].map(([reason, ids]) => `${ids.join(', ')} (${inOneCell(reason)})`).join('; ')
}
