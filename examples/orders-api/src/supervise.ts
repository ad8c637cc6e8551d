import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Supervised {
  /** Asks the process to end, and resolves when it has. */
  stop(): Promise<void>
}

const RESTART_AFTER_MS = 500

/** Runs a program of this folder, and again if it dies. On your servers, systemd or Kubernetes does that. */
export function supervise(name: string, file: string, environment: Readonly<Record<string, string>>): Supervised {
  const program = path.join(import.meta.dirname, file)
  const env = { ...process.env, ...environment }
  const start = () => {
    const child = spawn(process.execPath, [...process.execArgv, program], {
      env,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    console.log(`${name} is process ${child.pid}`)
    return child
  }
  let stopping = false
  let child = start()
  const ended = (async () => {
    for (;;) {
      const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
      if (stopping) return
      console.error(`${name} ended with ${signal ?? code}: it is started again`)
      await sleep(RESTART_AFTER_MS)
      if (stopping) return
      child = start()
    }
  })()
  return {
    async stop() {
      stopping = true
      child.kill('SIGTERM')
      await ended
    },
  }
}
