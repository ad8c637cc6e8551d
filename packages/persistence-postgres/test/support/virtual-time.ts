import type { Querying } from './pass-time.ts'

/**
 * Functions that hide those of Postgres by their names, on connections that look for functions here first: the database's clock is what a
 * row says.
 */
export async function createClock(database: Querying, schema: string): Promise<void> {
  const reading = (name: string, volatility: 'stable' | 'volatile'): string => `
    create function "${schema}".${name}() returns timestamptz language sql ${volatility} as 'select at from "${schema}".clock'`
  await database.query(`
    create schema "${schema}";
    create table "${schema}".clock (at timestamptz not null);
    insert into "${schema}".clock values (pg_catalog.now());
    ${reading('statement_timestamp', 'stable')};
    ${reading('clock_timestamp', 'volatile')}`)
}

export async function setClock(database: Querying, schema: string, at: number): Promise<void> {
  await database.query(`update "${schema}".clock set at = to_timestamp(${at}::float8 / 1000)`)
}

/** The `search_path` by which a connection finds that clock. */
export const searchPathOf = (schema: string): string => `${schema},pg_catalog`
