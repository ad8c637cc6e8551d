/** Every column that holds a point in time, by table: passing time makes them all earlier, and the clock of the server stays. */
const TIMES = {
  events: ['base_at', 'due_at', 'expires_at', 'deferred_since', 'accepted_at', 'first_failed_at'],
  lanes: [],
  workers: ['started_at', 'lease_until', 'dead_at'],
  dead_letters: ['dead_at', 'accepted_at', 'first_failed_at'],
  idempotency: ['expires_at'],
  event_log: ['logged_at'],
  watermarks: [],
  approvals: ['added_at', 'updated_at'],
} as const

/** Order keys are times too, but for those that are a priority: smaller than any time. */
const ORDER_KEYS: Record<string, readonly string[]> = {
  events: ['order_key'],
  lanes: ['head', 'reach'],
  watermarks: ['floor'],
}
const FIRST_TIME = 100_000_000_000

export interface Querying {
  query(text: string): Promise<unknown>
}

/** Makes all that a schema holds so many milliseconds older, in one transaction. */
export async function passTimeIn(database: Querying, schema: string, ms: number): Promise<void> {
  const statements = Object.entries(TIMES).flatMap(([table, columns]) => {
    const changes = columns.map((column) => `${column} = ${column} - ${ms}`)
    for (const key of ORDER_KEYS[table] ?? [])
      changes.push(`${key} = case when ${key} > ${FIRST_TIME} then ${key} - ${ms} else ${key} end`)
    return `update "${schema}".${table} set ${changes.join(', ')}`
  })
  await database.query(`begin; ${statements.join('; ')}; commit`)
}
