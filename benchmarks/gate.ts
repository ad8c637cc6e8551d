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
import { type Found, floorOf, judge, type Stored } from './gate/rule.ts'
import { inOwnProcess } from './harness/processes.ts'
import type { Task } from './harness/section.ts'
import { median, quantile } from './harness/statistics.ts'

const FILE = path.join(import.meta.dirname, 'gate/stored.json')
const STORED_PROCESSES = 7
/** The quicker rounds of both sides: what disturbs a busy machine only ever makes a round slower. */
const QUICK = 0.25

const measure = async (task: Task): Promise<Found> => {
  const [result] = await inOwnProcess(
    gate.name,
    task,
    { scale: 'normal', rounds: gate.rounds.normal },
    { profiles: false },
  )
  if (result?.kind !== 'duel') throw new Error(`'${task.name}' found no ratio`)
  const bareNs = quantile(result.theirs, QUICK)
  return { ratio: bareNs / quantile(result.ours, QUICK), bareNs }
}

const text = (ratio: number): string => ratio.toFixed(3)

const store = async (): Promise<void> => {
  const stored: Record<string, Stored> = {}
  for (const task of gate.tasks('normal')) {
    const found: Found[] = []
    for (let count = 0; count < STORED_PROCESSES; count++) found.push(await measure(task))
    const ratios = found.map(({ ratio }) => Number(text(ratio)))
    stored[task.name] = { ratios, bareNs: Math.round(median(found.map(({ bareNs }) => bareNs))) }
    console.log(`${task.name.padEnd(28)} ${ratios.map(text).join(' ')}`)
  }
  writeFileSync(FILE, `${JSON.stringify(stored, undefined, 2)}\n`)
}

const described = (stored: Stored, found: readonly Found[]): string => {
  const floor = Math.min(...found.map((each) => floorOf(stored, each)))
  const pace = median(found.map(({ bareNs }) => bareNs)) / stored.bareNs
  const ratios = found.map(({ ratio }) => text(ratio)).join(' ')
  return `${ratios.padEnd(18)} stored ${text(median(stored.ratios))}, at least ${text(floor)}; bare loop ${pace.toFixed(2)} x as long`
}

const compare = async (): Promise<{ readonly kept: number; readonly lost: readonly string[] }> => {
  const all = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, Stored>
  let kept = 0
  const lost: string[] = []
  for (const task of gate.tasks('normal')) {
    const stored = all[task.name]
    if (stored === undefined) throw new Error(`Nothing is stored of '${task.name}': run benchmarks/gate.ts --write`)
    const found: Found[] = []
    let verdict = judge(stored, found)
    while (verdict === 'measure again') {
      found.push(await measure(task))
      verdict = judge(stored, found)
    }
    const line = `${task.name.padEnd(28)} ${described(stored, found)}`
    if (verdict === 'kept') kept++
    else lost.push(line)
    console.log(`${verdict === 'kept' ? 'ok  ' : 'LOST'} ${line}`)
  }
  return { kept, lost }
}

const { values } = parseArgs({ options: { write: { type: 'boolean' } } })
if (values.write) await store()
else {
  console.log('ratio to a bare loop of awaits, processor time; higher is faster\n')
  const { kept, lost } = await compare()
  console.log(`\nspeed - ${kept} passed, ${lost.length} failed`)
  const tally = process.env['BUSLANE_TALLY']
  if (tally !== undefined)
    writeFileSync(tally, JSON.stringify({ passed: kept, failed: lost.length, skipped: 0, failures: lost }))
  if (lost.length > 0) process.exitCode = 1
}
