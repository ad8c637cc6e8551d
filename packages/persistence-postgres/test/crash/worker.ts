// A process that handles jobs and notes each start and end in a file, until it is killed: node worker.ts <url> <schema> <journal>
import { openSync, writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { createBus, type EventMessage } from '@buslane/core'
import { postgresPersistence } from '../../src/index.ts'
import { GROUP_OF, Job, type JobPayload, laneOf, LEASE, Once } from './job.ts'
import type { Entry } from './journal.ts'

const [url = '', schema = '', journal = ''] = process.argv.slice(2)
const file = openSync(journal, 'a')
/** One write each, so that lines of several processes do not mix and the order of the file is that of time. */
const note = (step: Entry['step'], handler: string, { id, payload }: EventMessage<JobPayload>): void => {
  const entry: Entry = { step, handler, id, lane: payload.lane, seq: payload.seq, pid: process.pid }
  writeSync(file, `${JSON.stringify(entry)}\n`)
}

const persistence = postgresPersistence({ connectionString: url, schema, ...LEASE })
const bus = createBus({ persistence, lane: laneOf })
for (const [handler, group] of Object.entries(GROUP_OF)) {
  const work = async (event: EventMessage<JobPayload>): Promise<void> => {
    note('start', handler, event)
    await pause(event.payload.seq % 10 === 0 ? 30 : 1)
    note('end', handler, event)
  }
  bus.on(Job, work, { name: handler, priority: group })
}
bus.on(
  Once,
  async (event) => {
    note('start', 'once', event)
    await pause(600_000) // until it is killed
  },
  { name: 'once' },
)
await bus.start()
process.send?.('started')
