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
