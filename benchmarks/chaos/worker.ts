/** A process that handles the messages of one queue until it is killed, and notes each in a file that survives it. */
import { openSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Servers } from '../durable/queue.ts'
import { queues } from './queues.ts'

export interface WorkerAssignment {
  readonly queue: string
  readonly servers: Servers
  readonly log: string
  readonly workMs: number
}

// Without whoever would kill it, it ends by itself.
process.on('disconnect', () => process.exit())
// A supervisor starts it again, as one of an application would.
process.on('unhandledRejection', () => process.exit(1))
process.on('uncaughtException', () => process.exit(1))

const { queue: name, servers, log, workMs } = JSON.parse(process.argv[2]!) as WorkerAssignment
const queue = queues(servers).find((each) => each.name === name)
if (queue === undefined) throw new Error(`There is no queue '${name}'`)
const file = openSync(log, 'a')
const open = await queue.open(servers, 'as it is')
const { ended } = await open.startHandling(async (n) => {
  await sleep(workMs)
  // One short write at the end of a file: it is there in whole, or not at all.
  writeSync(file, `${n} ${Date.now()}\n`)
})
await ended
if (ended !== undefined) process.exit(1)
