import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    /** The Postgres of this run. */
    connectionString: string
  }
}

export const connectionString = inject('connectionString')

export const freshSchema = (): string => `approvals_${randomUUID().slice(0, 8)}`

export const dropSchema = async (schema: string): Promise<void> => {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query(`drop schema if exists "${schema}" cascade`)
  await client.end()
}
