// Drives the service over HTTP, as its clients do, and from the shell, as an operator does.
import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { postgresPersistence } from '@buslane/persistence-postgres'
import { createClient, QUANTITY } from './client.ts'
import { handled, type RunningService, startService } from './running-service.ts'

const ORDERS = 300
const AT_ONCE = 20
const PLACED_BEFORE_THE_KILL = 100
const ANSWERED_BEFORE_THE_STOP = 20
const DAY_MS = 86_400_000

const range = (prefix: string): string[] => Array.from({ length: ORDERS }, (_, n) => `${prefix}-${n}`)
/** Every third order is not paid. */
const isPaid = (id: string): boolean => Number(id.split('-')[1]) % 3 !== 0
const stepsOf = (id: string): string[] => ['reserved', 'confirmed', ...(isPaid(id) ? ['shipped'] : [])]

async function placeOrdersWhileAWorkerIsKilled(service: RunningService): Promise<void> {
  const { api } = service
  const client = createClient(api)
  const waiting = range('order').values()
  let placed = 0
  const customer = async (): Promise<void> => {
    for (const id of waiting) {
      assert.equal(await client.place(id), 201)
      assert.equal(await client.place(id), 200, 'a second request with its id places nothing')
      if (isPaid(id)) assert.equal(await client.pay(id), 202)
      if (++placed === PLACED_BEFORE_THE_KILL) process.kill(service.workerProcess(1), 'SIGKILL')
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, customer))
  await handled(api)
  for (const id of range('order')) assert.deepEqual((await client.find(id))?.steps, stepsOf(id), id)
  assert.equal(await client.reserved(), ORDERS * QUANTITY)
  console.log(`${ORDERS} orders, a worker killed: each was handled in order, and exactly once`)
}

async function remindOfWhatWasNotPaid({ api, databaseUrl }: RunningService): Promise<void> {
  const persistence = postgresPersistence({ connectionString: databaseUrl })
  const { inspect } = persistence
  const { entries } = await inspect.list({ state: 'scheduled', type: 'payment.due', limit: 1000 })
  const days = entries.map(({ acceptedAt, dueAt }) => Math.round((dueAt - acceptedAt) / DAY_MS))
  assert.deepEqual([days.length, new Set(days)], [ORDERS, new Set([3])])

  // As if the time had come.
  for (const { key } of entries) assert.equal(await inspect.retryNow(key), 'readied')
  await persistence.close()
  await handled(api)
  const client = createClient(api)
  for (const id of range('order')) {
    const steps = [...stepsOf(id), ...(isPaid(id) ? [] : ['reminded'])]
    assert.deepEqual((await client.find(id))?.steps, steps, id)
  }
  console.log(`${ORDERS} reminders were stored for three days ahead: who had not paid was reminded`)
}

/** Ends the service while it has requests, and starts it again. */
async function stopWithRequestsInFlight(service: RunningService): Promise<Map<string, number | undefined>> {
  const client = createClient(service.api)
  const answers = new Map<string, number | undefined>()
  let stopped: Promise<number | null> | undefined
  const place = async (id: string): Promise<void> => {
    answers.set(id, await client.place(id))
    if (answers.size === ANSWERED_BEFORE_THE_STOP) stopped = service.stop()
  }
  await Promise.all(range('flight').map(place))
  assert.equal(await stopped, 0)
  return answers
}

async function findWhatWasAnswered({ api }: RunningService, answers: Map<string, number | undefined>): Promise<void> {
  await handled(api)
  const client = createClient(api)
  const count = { placed: 0, refused: 0 }
  for (const [id, status] of answers) {
    // No answer, or this one: it came too late. Any other would be a request that was taken and not finished.
    assert.ok(status === 201 || status === 503 || status === undefined, `${id} was answered with ${status}`)
    const steps = (await client.find(id))?.steps
    assert.deepEqual(steps, status === 201 ? ['reserved', 'confirmed'] : undefined, `${id}, answered with ${status}`)
    count[status === 201 ? 'placed' : 'refused'] += 1
  }
  assert.ok(count.placed >= ANSWERED_BEFORE_THE_STOP)
  console.log(
    `ended with requests in flight: ${count.placed} were answered and are there, ${count.refused} were refused`,
  )
}

const folder = await mkdtemp(path.join(tmpdir(), 'orders-api-'))
await chmod(folder, 0o755) // an embedded Postgres runs as another user where this one is root
let service = await startService(folder)
try {
  await placeOrdersWhileAWorkerIsKilled(service)
  await remindOfWhatWasNotPaid(service)
  const answers = await stopWithRequestsInFlight(service)
  service = await startService(folder)
  await findWhatWasAnswered(service, answers)
} finally {
  await service.stop()
  await rm(folder, { recursive: true, force: true })
}
console.log('All as expected.')
