import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isBusError } from '@buslane/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lockDataDir } from '../../src/pglite/data-dir-lock.ts'
import { thisProcess } from '../../src/pglite/process-identity.ts'
import { LockProcess } from '../support/lock-process.ts'

let folder: string
let dataDir: string
let lockFile: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'buslane-lock-'))
  dataDir = path.join(folder, 'data')
  lockFile = `${dataDir}.lock`
})
afterEach(() => rmSync(folder, { recursive: true }))

const processes: LockProcess[] = []
const start = async (): Promise<LockProcess> => {
  const started = new LockProcess(dataDir)
  processes.push(started)
  await started.ready()
  return started
}
afterEach(async () => {
  await Promise.all(processes.splice(0).map((each) => each.kill()))
})

/** A lock file as a process leaves it that is `different` from this one. */
const leaveLock = async (different: object): Promise<void> => {
  const owner = { ...(await thisProcess()), host: 'some-host', token: crypto.randomUUID(), ...different }
  writeFileSync(lockFile, JSON.stringify(owner))
}
const untouchedFor = (seconds: number): void => {
  const at = Date.now() / 1000 - seconds
  utimesSync(lockFile, at, at)
}

describe('the lock of a data folder', () => {
  it('refuses a second process while the first lives, and names it', async () => {
    const first = await start()
    expect(await first.take()).toBe('held')
    const refused = await lockDataDir(dataDir).catch((error: unknown) => error)
    expect(isBusError(refused, 'STORE_LOCKED')).toBe(true)
    expect(refused).toMatchObject({ retryable: true, message: expect.stringContaining(`process ${first.pid} on `) })
    await first.end()
    await (await lockDataDir(dataDir)).release()
  })

  it('refuses a second time in the same process, also by another path', async () => {
    const lock = await lockDataDir(dataDir)
    await expect(lockDataDir(`${folder}/../${path.basename(folder)}/data`)).rejects.toMatchObject({
      code: 'STORE_LOCKED',
    })
    await lock.release()
  })

  it('leaves nothing behind when it is released, and can be released twice', async () => {
    const lock = await lockDataDir(dataDir)
    await lock.release()
    await lock.release()
    expect(readdirSync(folder)).toEqual(['data'])
  })

  it('is taken over at once from a process that was killed', async () => {
    const first = await start()
    await first.take()
    await first.kill()
    expect(existsSync(lockFile)).toBe(true)
    const lock = await lockDataDir(dataDir)
    expect(JSON.parse(readFileSync(lockFile, 'utf8'))).toMatchObject({ pid: process.pid })
    await lock.release()
    expect(readdirSync(folder)).toEqual(['data'])
  })

  // Many processes start: slow where other tests do, too.
  it('goes to one of many processes that find a killed owner at the same time', { timeout: 60_000 }, async () => {
    const first = await start()
    await first.take()
    await first.kill()
    const starters = await Promise.all(Array.from({ length: 6 }, start))
    const answers = await Promise.all(starters.map((each) => each.take()))
    expect(answers.toSorted()).toEqual([...Array.from({ length: 5 }, () => 'STORE_LOCKED'), 'held'])
  })

  it('goes to one of many calls at the same time, round after round', async () => {
    for (let round = 0; round < 50; round++) {
      await leaveLock({ startedAt: 'another time' })
      const answers = await Promise.allSettled(Array.from({ length: 8 }, () => lockDataDir(dataDir)))
      const held = answers.filter((answer) => answer.status === 'fulfilled')
      expect(held).toHaveLength(1)
      await held[0]!.value.release()
      expect(readdirSync(folder)).toEqual(['data'])
    }
  })

  it('goes on from where a process was killed that was taking over', async () => {
    await leaveLock({ startedAt: 'long ago', token: 'first' })
    const { startedAt: _, ...second } = JSON.parse(readFileSync(lockFile, 'utf8'))
    writeFileSync(`${lockFile}.first.next`, JSON.stringify({ ...second, startedAt: 'later', token: 'second' }))
    const lock = await lockDataDir(dataDir)
    await lock.release()
    expect(readdirSync(folder)).toEqual(['data'])
  })

  it('is not taken from a process that is taking over', async () => {
    await leaveLock({ startedAt: 'long ago', token: 'first' })
    writeFileSync(`${lockFile}.first.next`, JSON.stringify({ ...(await thisProcess()), host: 'here', token: 'second' }))
    await expect(lockDataDir(dataDir)).rejects.toMatchObject({ code: 'STORE_LOCKED' })
  })

  it('is taken over from a process whose id belongs to another one now', async () => {
    await leaveLock({ startedAt: 'another time' })
    await (await lockDataDir(dataDir)).release()
  })

  it('is taken over from a process that cannot be seen from here only when it has been silent for long', async () => {
    await leaveLock({ place: 'another container' })
    await expect(lockDataDir(dataDir)).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    untouchedFor(31)
    await (await lockDataDir(dataDir)).release()
  })

  it('says what to do about a lock file that cannot be read', async () => {
    writeFileSync(lockFile, '{')
    await expect(lockDataDir(dataDir)).rejects.toMatchObject({
      code: 'STORE_LOCKED',
      message: expect.stringContaining('delete it'),
    })
  })
})
