// Migrates the schema given, as a process of its own.
import { postgresPersistence } from '../../src/index.ts'

const [connectionString, schema] = process.argv.slice(2)
if (connectionString === undefined) throw new Error('usage: migrate-process <connection string> <schema>')

const persistence = postgresPersistence({ connectionString, schema, notify: false })
await persistence.events.open()
await persistence.close()
