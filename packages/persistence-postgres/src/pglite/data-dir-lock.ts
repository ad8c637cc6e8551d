import { randomUUID } from 'node:crypto'
import { link, mkdir, readdir, readFile, realpath, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import { BusError } from '@buslane/core'
import { livenessOf, type ProcessIdentity, thisProcess } from './process-identity.ts'

/** The right to be the only process that uses a folder. */
export interface DataDirLock {
  /** Gives it up. *Idempotent.* */
  release(): Promise<void>
}

interface Owner extends ProcessIdentity {
  readonly token: string
  readonly host: string
}

const HEARTBEAT_MS = 5_000
/** An owner that cannot be seen from here is dead when its file was not touched for so long. */
const SILENT_MS = 30_000

/**
 * Takes the lock of a folder, which is made if it does not exist. The lock is a file beside the folder, `<folder>.lock`.
 *
 * - *Concurrency*: of any number of processes that try at once, one gets it.
 * - A process that was killed leaves the file, and the next one takes it over: at once if it can see that the process is
 *   gone, else (another container, another host) when the file has not been touched for 30 seconds.
 *
 * @throws {BusError} `STORE_LOCKED` if a live process, this one included, has it
 */
export const lockDataDir = async (dataDir: string): Promise<DataDirLock> => {
  await mkdir(dataDir, { recursive: true })
  const file = `${await realpath(dataDir)}.lock`
  const me: Owner = { ...(await thisProcess()), token: randomUUID(), host: hostname() }
  const draft = `${file}.${me.token}.new`
  await writeFile(draft, JSON.stringify(me), { flush: true })
  try {
    while (!(await tryTake(file, draft))) {
      // Somebody came or went between two looks at the file: look again.
    }
  } finally {
    await remove(draft)
  }
  const timer = setInterval(() => void touch(file), HEARTBEAT_MS)
  timer.unref()
  let released: Promise<void> | undefined
  return {
    release: () => {
      clearInterval(timer)
      released ??= giveUp(file, me)
      return released
    },
  }
}

/**
 * The holder is the end of a chain that begins in `file`: the successor of an owner is in `<file>.<token of the owner>.next`.
 * A name can be created by one process only, so two that find the same owner dead cannot both follow him; removing a dead
 * owner's file and creating one's own would let the second remove what the first has just created.
 */
const tryTake = async (file: string, draft: string): Promise<boolean> => {
  if (await createFrom(draft, file)) return true
  const head = await readOwner(file)
  if (head === undefined) return false
  let owner = head
  let place = file
  for (;;) {
    if (await isAlive(owner, place)) throw locked(file, owner)
    place = nextOf(file, owner)
    if (await createFrom(draft, place)) break
    const next = await readOwner(place)
    if (next === undefined) return false
    owner = next
  }
  // The chain was read while somebody took over, shortened it and perhaps left: then its end proves nothing.
  if ((await readOwner(file))?.token !== head.token) {
    await remove(place)
    return false
  }
  // From here on nobody but us may shorten the chain. First the head, then the rest: at no moment is there no owner.
  await rename(draft, file)
  await removeChains(file)
  return true
}

/** Creates `name` with the content of `draft`, both at once; `false` if it exists. */
const createFrom = async (draft: string, name: string): Promise<boolean> => {
  try {
    await link(draft, name)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

const readOwner = async (file: string): Promise<Owner | undefined> => {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Owner
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new BusError('STORE_LOCKED', `The lock file ${file} cannot be read. If nothing uses the folder, delete it`, {
      cause: error,
      retryable: true,
    })
  }
}

const isAlive = async (owner: Owner, place: string): Promise<boolean> => {
  const liveness = await livenessOf(owner)
  if (liveness !== 'elsewhere') return liveness === 'alive'
  // Both times are the file system's own, so clocks of two hosts need not agree.
  const probe = `${place}.${randomUUID()}.new`
  await writeFile(probe, '')
  const now = (await stat(probe)).mtimeMs
  await remove(probe)
  const touchedAt = await stat(place).then(
    ({ mtimeMs }) => mtimeMs,
    () => now,
  )
  return now - touchedAt < SILENT_MS
}

const locked = (file: string, { pid, host }: Owner): BusError =>
  new BusError(
    'STORE_LOCKED',
    `${file.slice(0, -'.lock'.length)} is in use by process ${pid} on ${host}. PGlite is for one process: stop that one, use ` +
      `another dataDir, or use Postgres. If it does not run any more, delete ${file}`,
    { retryable: true },
  )

const giveUp = async (file: string, me: Owner): Promise<void> => {
  // It is somebody else's if we were taken for dead.
  if ((await readOwner(file).catch(() => undefined))?.token === me.token) await remove(file)
}

const nextOf = (file: string, { token }: Owner): string => `${file}.${token}.next`

/** Also those that a process left which was killed while it shortened the chain. */
const removeChains = async (file: string): Promise<void> => {
  const folder = path.dirname(file)
  const prefix = `${path.basename(file)}.`
  for (const name of await readdir(folder)) {
    if (name.startsWith(prefix) && name.endsWith('.next')) await remove(path.join(folder, name))
  }
}

const remove = async (file: string): Promise<void> => {
  await unlink(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}

const touch = async (file: string): Promise<void> => {
  const now = new Date()
  // A folder that was deleted under us has nothing to protect.
  await utimes(file, now, now).catch(() => {})
}
