import { readDeliveries } from './deliveries.ts'
import { OptionError, type Options, readOptions, usage } from './options.ts'
import { runDurable } from './run-durable.ts'
import { runInMemory } from './run-in-memory.ts'
import { forgetServer, openFolder } from './store.ts'
import { tell } from './verdict.ts'

/** Runs the deliveries through the desk and gives the exit code. */
async function run(options: Options): Promise<number> {
  const { seed, repeat, crash, data, databaseUrl } = options
  const deliveries = await readDeliveries({ seed, repeat })
  if (databaseUrl !== undefined && data === undefined) await forgetServer(databaseUrl)
  await using place = await openFolder(data)
  const runDesk = crash || data !== undefined ? runDurable : runInMemory
  return tell(await runDesk(deliveries, options, place.folder), seed)
}

async function main(words: readonly string[]): Promise<number> {
  try {
    const options = readOptions(words)
    if (!options.help) return await run(options)
    console.log(usage)
    return 0
  } catch (error) {
    if (!(error instanceof OptionError)) throw error
    console.error(`${error.message}\n\n${usage}`)
    return 2
  }
}

process.exitCode = await main(process.argv.slice(2))
