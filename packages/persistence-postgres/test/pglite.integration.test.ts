import { mkdtemp, rm, writeFile, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { expect, it, onTestFinished } from 'vitest'
import type { StoreOptions } from '../src/index.ts'
import { lockDataDir } from '../src/pglite/data-dir-lock.ts'
import { pglitePersistence } from '../src/pglite.ts'
import { LockProcess } from './support/lock-process.ts'
import { newEvent } from './support/store.ts'

const folder = async (): Promise<string> => {
  const made = await mkdtemp(path.join(tmpdir(), 'buslane-pglite-'))
  onTestFinished(() => rm(made, { recursive: true }))
  return path.join(made, 'data')
}

const persistenceIn = (dataDir: string, options: StoreOptions = {}) => {
  const persistence = pglitePersistence({ dataDir, ...options })
  onTestFinished(() => persistence.close())
  return persistence
}

/** Does something to the database in a folder that no store uses. */
const behindTheStore = async (dataDir: string, statements: string): Promise<void> => {
  const pglite = await PGlite.create(dataDir)
  await pglite.exec(statements)
  await pglite.close()
}

const expectUnlocked = async (dataDir: string): Promise<void> => (await lockDataDir(dataDir)).release()

it('frees the folder when it cannot be opened, and opens it when the reason is gone', async () => {
  const dataDir = await folder()
  await behindTheStore(
    dataDir,
    `create schema buslane; create table buslane.migrations (name text, timestamp text);
     insert into buslane.migrations values ('9999-of-the-future', '')`,
  )
  const { events } = persistenceIn(dataDir)
  await expect(events.open()).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW' })
  await expectUnlocked(dataDir)
  await events.close()
  await behindTheStore(dataDir, 'delete from buslane.migrations')
  await events.open()
  await events.append([newEvent()], undefined)
  await events.close()
  await expectUnlocked(dataDir)
})

it('frees a folder that holds no database', async () => {
  const dataDir = await folder()
  await mkdir(dataDir)
  await writeFile(path.join(dataDir, 'PG_VERSION'), 'none')
  const { events } = persistenceIn(dataDir)
  await expect(events.open()).rejects.toMatchObject({ code: 'PERSISTENCE_UNAVAILABLE' })
  await expectUnlocked(dataDir)
})

it('closes as often as one likes, and opens again at once', async () => {
  const dataDir = await folder()
  const { events, inspect } = persistenceIn(dataDir)
  await events.close()
  await events.open()
  await events.append([newEvent()], undefined)
  await Promise.all([events.close(), events.close(), events.open()])
  expect((await inspect.counts()).ready).toBe(1)
  await events.close()
  await events.close()
  await expectUnlocked(dataDir)
})

it('refuses a folder that a live process uses, and takes it over from one that was killed', async () => {
  const dataDir = await folder()
  const owner = new LockProcess(dataDir)
  onTestFinished(() => owner.kill())
  await owner.ready()
  expect(await owner.take()).toBe('held')
  const { events } = persistenceIn(dataDir)
  await expect(events.open()).rejects.toMatchObject({
    code: 'STORE_LOCKED',
    retryable: true,
    message: expect.stringContaining(`process ${owner.pid} on `),
  })
  await events.close()
  await owner.kill()
  await events.open()
  await events.append([newEvent()], undefined)
})
