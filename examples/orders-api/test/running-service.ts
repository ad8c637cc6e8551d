import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const main = path.join(import.meta.dirname, '../src/main.ts')
const LIMIT_MS = 120_000

export interface RunningService {
  readonly api: string
  readonly databaseUrl: string
  /** The process of a worker, as it was last started. */
  workerProcess(number: number): number
  /** Asks the service to end, as Ctrl-C does. Resolves with its exit code when everything has ended. */
  stop(): Promise<number | null>
}

/** Starts the service as a user does, with one command, and waits until its workers have come. */
export async function startService(dataFolder: string): Promise<RunningService> {
  const port = await freePort()
  const child = spawn(process.execPath, [...process.execArgv, main], {
    env: { ...process.env, DATA_FOLDER: dataFolder, PORT: String(port), LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
    process.stdout.write(text)
  })
  const lastSaid = (pattern: RegExp): string => [...said.matchAll(pattern)].at(-1)?.[1] ?? ''
  const exited = once(child, 'exit') as Promise<[number | null]>
  const api = `http://127.0.0.1:${port}`
  await until('the API and two workers are there', async () => {
    const { store } = await healthOf(api)
    return store.workers === 3 // the API has a bus, too
  })
  return {
    api,
    databaseUrl: lastSaid(/^Postgres is at (.*)$/gm),
    workerProcess: (number) => Number(lastSaid(new RegExp(`^worker ${number} is process (\\d+)$`, 'gm'))),
    async stop() {
      child.kill('SIGTERM')
      const [code] = await exited
      return code
    },
  }
}

interface Health {
  readonly store: Readonly<Record<'ready' | 'running' | 'workers', number>>
}

const healthOf = async (api: string): Promise<Health> => (await (await fetch(`${api}/health`)).json()) as Health

/** Resolves when nothing waits but what is for later. */
export const handled = (api: string): Promise<void> =>
  until('everything is handled', async () => {
    const { store } = await healthOf(api)
    return store.ready + store.running === 0
  })

/** Asks until the answer is yes; what rejects is no. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const givesUpAt = performance.now() + LIMIT_MS
  while (!(await holds().catch(() => false))) {
    if (performance.now() > givesUpAt) throw new Error(`It did not come to this: ${what}`)
    await sleep(100)
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
