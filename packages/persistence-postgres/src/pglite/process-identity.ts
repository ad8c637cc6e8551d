import { execFile } from 'node:child_process'
import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { promisify } from 'node:util'

/** Which process this is, so that another one can tell later whether it still lives. */
export interface ProcessIdentity {
  /** Where `pid` means something: the boot and the process namespace on Linux, the host's name elsewhere. */
  readonly place: string
  readonly pid: number
  /** Tells the process from a later one with the same id; `undefined` where the system does not say. */
  readonly startedAt: string | undefined
}

/** `elsewhere`: it cannot be seen from here, since it runs in another container, on another host, or before a reboot. */
export type Liveness = 'alive' | 'dead' | 'elsewhere'

/** The identity of this process. */
export const thisProcess = async (): Promise<ProcessIdentity> => ({
  place: await thisPlace(),
  pid: process.pid,
  startedAt: await startOf(process.pid),
})

/** Whether that process still lives. */
export const livenessOf = async ({ place, pid, startedAt }: ProcessIdentity): Promise<Liveness> => {
  if (place !== (await thisPlace())) return 'elsewhere'
  if (!isRunning(pid)) return 'dead'
  const now = await startOf(pid)
  // Where the start is not known, an id that was given to another process looks alive: refusing is the safe mistake.
  return now !== undefined && startedAt !== undefined && now !== startedAt ? 'dead' : 'alive'
}

const thisPlace = async (): Promise<string> => {
  if (process.platform !== 'linux') return hostname()
  const [boot, namespace] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => hostname()),
    readlink('/proc/self/ns/pid').catch(() => ''),
  ])
  return `${boot.trim()} ${namespace}`.trim()
}

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const startOf = async (pid: number): Promise<string | undefined> => {
  if (process.platform === 'win32') return undefined
  try {
    if (process.platform !== 'linux') {
      const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)], {
        env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
      })
      return stdout.trim() || undefined
    }
    // proc(5): the name in brackets may hold spaces; state is the first field behind it, the start time the 20th.
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? 'ended' : fields[19]
  } catch {
    return undefined // it has just ended, or the system does not tell; `isRunning` has decided then
  }
}
