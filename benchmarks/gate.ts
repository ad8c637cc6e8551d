/**
 * Compares the ratios of a few contests with the stored ones, and fails when one has become worse beyond noise. Needs the build.
 *
 *   node benchmarks/gate.ts [--write]
 *
 * `--write` stores what is found, of several processes each: after a change that was meant, on a machine with nothing else to do.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { gate } from './gate/contests.ts'
import { floorOf, judge, type Stored } from './gate/rule.ts'
import { inOwnProcess } from './harness/processes.ts'
import type { Task } from './harness/section.ts'
import { median, quantile } from './harness/statistics.ts'

const FILE = path.join(import.meta.dirname, 'gate/stored.json')
const STORED_PROCESSES = 7
/** The quicker rounds of both sides: what disturbs a busy machine only ever makes a round slower. */
const QUICK = 0.25

const ratioOf = async (task: Task): Promise<number> => {
  const [result] = await inOwnProcess(
    gate.name,
    task,
    { scale: 'normal', rounds: gate.rounds.normal },
    { profiles: false },
  )
  if (result?.kind !== 'duel') throw new Error(`'${task.name}' found no ratio`)
  return quantile(result.theirs, QUICK) / quantile(result.ours, QUICK)
}

const text = (ratio: number): string => ratio.toFixed(3)

const store = async (): Promise<void> => {
  const stored: Record<string, Stored> = {}
  for (const task of gate.tasks('normal')) {
    const ratios: number[] = []
    for (let count = 0; count < STORED_PROCESSES; count++) ratios.push(Number(text(await ratioOf(task))))
    stored[task.name] = { ratios }
    console.log(`${task.name.padEnd(28)} ${ratios.map(text).join(' ')}`)
  }
  writeFileSync(FILE, `${JSON.stringify(stored, undefined, 2)}\n`)
}

const compare = async (): Promise<{ readonly kept: number; readonly lost: number }> => {
  const all = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, Stored>
  let [kept, lost] = [0, 0]
  for (const task of gate.tasks('normal')) {
    const stored = all[task.name]
    if (stored === undefined) throw new Error(`Nothing is stored of '${task.name}': run benchmarks/gate.ts --write`)
    const found: number[] = []
    let verdict = judge(stored, found)
    while (verdict === 'measure again') {
      found.push(await ratioOf(task))
      verdict = judge(stored, found)
    }
    if (verdict === 'kept') kept++
    else lost++
    const beside = `stored ${text(median(stored.ratios))}, at least ${text(floorOf(stored))}`
    console.log(
      `${verdict === 'kept' ? 'ok  ' : 'LOST'} ${task.name.padEnd(28)} ${found.map(text).join(' ').padEnd(18)} ${beside}`,
    )
  }
  return { kept, lost }
}

const { values } = parseArgs({ options: { write: { type: 'boolean' } } })
if (values.write) await store()
else {
  console.log('ratio to a bare loop of awaits, processor time; higher is faster\n')
  const { kept, lost } = await compare()
  console.log(`\nspeed - ${kept} passed, ${lost} failed`)
  const tally = process.env['BUSLANE_TALLY']
  if (tally !== undefined) writeFileSync(tally, JSON.stringify({ passed: kept, failed: lost, skipped: 0 }))
  if (lost > 0) process.exitCode = 1
}
