// Takes the lock of the folder given, says how that went, and holds it until its input ends.
import { createInterface } from 'node:readline'
import { isBusError } from '@buslane/core'
import { lockDataDir } from '../../src/pglite/data-dir-lock.ts'

const [dataDir] = process.argv.slice(2)
if (dataDir === undefined) throw new Error('usage: lock-holder <folder>')

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
console.log('ready')
await lines.next()
try {
  const lock = await lockDataDir(dataDir)
  console.log('held')
  await lines.next()
  await lock.release()
} catch (error) {
  console.log(isBusError(error) ? error.code : error)
  await lines.next()
}
process.exit()
