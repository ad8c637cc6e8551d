import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'

export interface RunningDatabase {
  readonly url: string
  stop(): Promise<void>
}

/**
 * Starts a Postgres that comes with an npm package. It is in a process group of its own: Ctrl-C must not end it before
 * those that use it. It ends with this process, whatever becomes of that.
 */
export async function startEmbeddedDatabase(folder: string): Promise<RunningDatabase> {
  const program = path.join(import.meta.dirname, 'embedded-database-process.ts')
  const child = fork(program, [path.resolve(folder)], { detached: true })
  const exited = once(child, 'exit')
  const url = await Promise.race([
    once(child, 'message').then(([message]) => String(message)),
    exited.then(() => Promise.reject(new Error('The database did not start. What it said is above.'))),
  ])
  return {
    url,
    async stop() {
      child.disconnect()
      await exited
    },
  }
}
