import { BusError } from '@buslane/core'

/** @throws {BusError} `INVALID_ARGUMENT` if `pg` is not installed */
export const importPg = async (): Promise<Pick<typeof import('pg'), 'Client' | 'Pool'>> => {
  try {
    const pg = await import('pg')
    return pg.default
  } catch (error) {
    throw new BusError(
      'INVALID_ARGUMENT',
      'A connectionString needs the package pg: install it, or give a pool or a kysely instance',
      { cause: error, retryable: false },
    )
  }
}
