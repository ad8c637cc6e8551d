/** One task, in the process that was made for it. See processes.ts. */
import { gate } from '../gate/contests.ts'
import { sections } from '../sections/index.ts'
import type { Assignment } from './processes.ts'

const { section, task, setting } = JSON.parse(process.argv[2]!) as Assignment
const found = [...sections, gate]
  .find(({ name }) => name === section)
  ?.tasks(setting.scale)
  .find(({ name }) => name === task)
if (found === undefined) throw new Error(`There is no task '${task}' in '${section}'`)

const results = await found.measure(setting)
// What was measured may have timers and connections that would go on.
process.send!(results, () => process.exit())
