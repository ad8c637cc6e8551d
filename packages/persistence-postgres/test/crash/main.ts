// pnpm test:crash: kills workers at random, and counts what was lost, repeated or out of order.
import { parseArgs } from 'node:util'
import { startDatabase } from '../support/database.ts'
import { crashRun } from './crash-run.ts'

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '500' }, seed: { type: 'string', default: '1' } },
})
const kills = Number(values.kills)
const seed = Number(values.seed)
if (!Number.isInteger(kills) || kills < 1 || !Number.isInteger(seed)) {
  console.error('--kills must be a whole number from 1, --seed a whole number')
  process.exit(2)
}
const database = await startDatabase()
try {
  const onKill = (done: number): void => {
    if (done % 50 === 0 || done === kills) console.log(`${done} of ${kills} killed`)
  }
  const report = await crashRun({ connectionString: database.connectionString, kills, seed, onKill })
  const { published, drained, lost, groupViolations, laneViolations, repeated, unexplained } = report
  console.log(
    `${published} events, ${kills} kills (seed ${seed}): ${lost} handler runs lost, ${groupViolations} groups and ` +
      `${laneViolations} lanes out of order, ${repeated} runs repeated after a kill, ${unexplained} repeated without one`,
  )
  if (!drained) console.error('the store was not empty in the end')
  const good = drained && lost + groupViolations + laneViolations + unexplained === 0
  process.exitCode = good ? 0 : 1
} finally {
  await database.stop()
}
