import { type RawBuilder, sql } from 'kysely'
import { invalid } from './errors.ts'
import { isKey } from './ids.ts'

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1000

/** A page to be read: keys only rise, so what comes or goes meanwhile neither repeats nor hides another entry. */
export interface PageRequest {
  readonly limit: number
  /** After this key. */
  readonly after: string
}

/** @throws {BusError} `INVALID_ARGUMENT` */
export const pageRequest = ({
  limit = DEFAULT_LIMIT,
  cursor = '0',
}: {
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}): PageRequest => {
  if (!Number.isInteger(limit) || limit < 1) throw invalid(`limit must be a whole number from 1, not ${limit}`)
  if (!isKey(cursor)) throw invalid(`cursor must be what a page gave as 'next', not '${cursor}'`)
  return { limit: Math.min(limit, MAX_LIMIT), after: cursor }
}

/** One row more than asked for tells whether there is another page. */
export const toPage = <Row extends { readonly key: string }, Entry>(
  rows: readonly Row[],
  { limit }: PageRequest,
  entryOf: (row: Row) => Entry,
): { readonly entries: readonly Entry[]; readonly next: string | undefined } => {
  const shown = rows.slice(0, limit)
  return { entries: shown.map(entryOf), next: rows.length > limit ? shown.at(-1)?.key : undefined }
}

/** The conditions that are set, joined by `and`. */
export const allOf = (conditions: readonly (RawBuilder<unknown> | undefined | false)[]): RawBuilder<unknown> =>
  sql.join(
    conditions.filter((condition) => condition !== undefined && condition !== false),
    sql` and `,
  )
