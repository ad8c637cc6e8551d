import { fork } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { Result, Setting, Task } from './section.ts'

const measureFile = path.join(import.meta.dirname, 'measure.ts')
/** Where `--cpu-prof` writes; open the files in the profiler of a Chromium. */
export const profilesFolder: string = path.join(import.meta.dirname, '../../.results/profiles')

/** What a process is told to measure. */
export interface Assignment {
  readonly section: string
  readonly task: string
  readonly setting: Setting
}

interface ProcessOptions {
  readonly profiles: boolean
}

const optionsOf = ({ name, nodeOptions = [] }: Task, { profiles }: ProcessOptions): readonly string[] => {
  if (!profiles) return nodeOptions
  mkdirSync(profilesFolder, { recursive: true })
  const file = `${name.replaceAll(/[^a-z0-9]+/gi, '-')}.cpuprofile`
  return [...nodeOptions, '--cpu-prof', `--cpu-prof-dir=${profilesFolder}`, `--cpu-prof-name=${file}`]
}

/** Runs a task in a process of its own. @throws {Error} if that fails or ends without results. */
export const inOwnProcess = (
  section: string,
  task: Task,
  setting: Setting,
  options: ProcessOptions,
): Promise<readonly Result[]> => {
  const assignment: Assignment = { section, task: task.name, setting }
  const child = fork(measureFile, [JSON.stringify(assignment)], {
    execArgv: [...optionsOf(task, options)],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let results: readonly Result[] | undefined
  let output = ''
  const keep = (text: unknown): void => void (output = `${output}${String(text)}`.slice(-4000))
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  child.on('message', (message) => void (results = message as readonly Result[]))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0 && results !== undefined) resolve(results)
      else reject(new Error(`'${task.name}' ended with ${signal ?? code}:\n${output.trim()}`))
    })
  })
}
