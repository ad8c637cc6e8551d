import type { Migration, MigrationProvider } from 'kysely/migration'
import { requireSchema } from '../options.ts'
import { first } from './0001-first.ts'
import { lowWater } from './0002-low-water.ts'
import { approvals } from './0003-approvals.ts'

/** All migrations of one schema by name, oldest first. A name that was released never changes, nor does what it does. */
const all = (schema: string): Record<string, Migration> => ({
  '0001-first': first(schema),
  '0002-low-water': lowWater(schema),
  '0003-approvals': approvals(schema),
})

/**
 * The migrations as Kysely's `Migrator` takes them, to run them by yourself with `autoMigrate: false`. Give the migrator
 * `migrationTableSchema: schema`, `migrationTableName: 'migrations'` and `migrationLockTableName: 'migration_lock'`.
 */
export const migrations = (schema = 'buslane'): MigrationProvider => {
  requireSchema(schema)
  return { getMigrations: () => Promise.resolve(all(schema)) }
}

/** The names of all migrations, oldest first. */
export const migrationNames: readonly string[] = Object.keys(all('buslane'))
