import type { TestProject } from 'vitest/node'
import { startDatabase } from './database.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The Postgres of this run. */
    connectionString: string
  }
}

/** One Postgres for all files of a run; each test makes a schema of its own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { connectionString, stop } = await startDatabase()
  project.provide('connectionString', connectionString)
  return stop
}
