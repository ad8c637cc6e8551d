import { describe, expect, it } from 'vitest'
import { migrate, migrations, postgresPersistence } from '../src/index.ts'
import { pglitePersistence } from '../src/pglite.ts'

/** Every call is made as somebody without types would make it. */
type Untyped = any

const make = postgresPersistence as Untyped
const embed = pglitePersistence as Untyped
const connectionString = 'postgres://ada:secret@localhost/db'

/** The call, and what its message says of it: the argument, what was expected, and what came. */
const CALLS: readonly (readonly [name: string, call: () => unknown, ...says: string[]])[] = [
  ['postgresPersistence()', () => make(), 'postgresPersistence', 'an object', 'undefined'],
  ['postgresPersistence(null)', () => make(null), 'postgresPersistence', 'an object', 'null'],
  ['postgresPersistence(a string)', () => make(connectionString), 'postgresPersistence', 'an object', 'a string'],
  ['postgresPersistence({})', () => make({}), 'connectionString, pool and kysely', '0'],
  ['two sources', () => make({ connectionString, pool: {} }), 'connectionString, pool and kysely', '2'],
  ['a misspelt option', () => make({ connectionString, shema: 'a' }), "'shema'", 'schema'],
  ['an option of the other store', () => make({ connectionString, dataDir: 'a' }), "'dataDir'"],
  ['connectionString: 5', () => make({ connectionString: 5 }), 'connectionString', 'a string', '5'],
  ["connectionString: ''", () => make({ connectionString: '' }), 'connectionString', 'not empty'],
  ['connectionString: null', () => make({ connectionString: null }), 'connectionString', 'null'],
  ['pool: 5', () => make({ pool: 5 }), 'pool.connect', 'a function'],
  ['pool: {}', () => make({ pool: {} }), 'pool.connect', 'a function', 'undefined'],
  ['kysely: {}', () => make({ kysely: {} }), 'kysely.withoutPlugins', 'a function', 'undefined'],
  ['maxConnections: 0', () => make({ connectionString, maxConnections: 0 }), 'maxConnections', 'whole number', '0'],
  [
    'listenConnectionString: 5',
    () => make({ connectionString, listenConnectionString: 5 }),
    'listenConnectionString',
    '5',
  ],
  ['schema: 5', () => make({ connectionString, schema: 5 }), 'schema', 'a name', '5'],
  ["notify: 'no'", () => make({ connectionString, notify: 'no' }), 'notify', 'a boolean'],
  ['codec: {}', () => make({ connectionString, codec: {} }), 'codec.encode', 'a function'],
  ['logger: {}', () => make({ connectionString, logger: {} }), 'logger.debug', 'a function'],
  ['leaseMs: NaN', () => make({ connectionString, leaseMs: Number.NaN }), 'leaseMs'],
  ['eventLog: 5', () => make({ connectionString, eventLog: 5 }), 'eventLog', 'an object', '5'],
  ['eventLog.types: [5]', () => make({ connectionString, eventLog: { types: [5] } }), 'eventLog.types', 'an array'],
  ['pglitePersistence(null)', () => embed(null), 'pglitePersistence', 'an object', 'null'],
  ['pglitePersistence with a connection', () => embed({ connectionString }), "'connectionString'", 'dataDir'],
  ['dataDir: 5', () => embed({ dataDir: 5 }), 'dataDir', 'a folder', '5'],
  ['migrate(null)', () => (migrate as Untyped)(null), 'kysely.withoutPlugins', 'a function'],
  ['migrations(5)', () => (migrations as Untyped)(5), 'schema', '5'],
  ["migrations('')", () => migrations(''), 'schema', "''"],
]

const failureOf = async (call: () => unknown): Promise<unknown> => {
  try {
    return await call()
  } catch (error) {
    return error
  }
}

describe('what a public call of persistence-postgres cannot do anything with', () => {
  it.each(CALLS.map(([name, call, ...says]) => ({ name, call, says })))(
    'is refused with INVALID_ARGUMENT that names it: $name',
    async ({ call, says }) => {
      const error: Untyped = await failureOf(call)
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.any(String) })
      for (const text of says) expect(error.message).toContain(text)
      expect(error.message).not.toContain('=>')
    },
  )
})
