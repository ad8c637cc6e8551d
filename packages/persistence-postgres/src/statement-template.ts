import { CompiledQuery, type RawBuilder } from 'kysely'
import type { Database } from './database.ts'

/** A place in a statement that is filled when it runs. */
class Slot<Given> {
  readonly read: (given: Given) => unknown

  constructor(read: (given: Given) => unknown) {
    this.read = read
  }
}

/** A value in a statement that is read from what the statement is run for. */
export type From<Given> = (read: (given: Given) => unknown) => unknown

/** Fills in a statement. */
export type Template<Given, Row> = (given: Given) => CompiledQuery<Row>

/**
 * A statement whose text is made once, and whose values are read each time: to make the text of a small statement takes longer than to
 * run it. `build` marks each value with `from`.
 */
export const template = <Given, Row>(
  db: Database,
  build: (from: From<Given>) => RawBuilder<Row>,
): Template<Given, Row> => {
  const { sql, parameters } = db.compile(build((read) => new Slot(read)))
  return (given) => {
    const values = parameters.map((value) => (value instanceof Slot ? (value as Slot<Given>).read(given) : value))
    return CompiledQuery.raw(sql, values)
  }
}
