import { mkdirSync, writeFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '@buslane/core'
import { DeleteFile, ListFiles, Search } from './messages.ts'

const SLOW_MS = 60_000

/** The tools work in this folder, and nowhere else. */
export function registerTools(bus: Bus, folder: string): void {
  bus.handle(ListFiles, async () => `${(await readdir(folder)).toSorted().join(', ')}.`, { name: 'list-files' })
  bus.handle(
    DeleteFile,
    async ({ payload: { file } }) => {
      await rm(path.join(folder, path.basename(file)), { force: true })
      return `${file} is deleted.`
    },
    { name: 'delete-file' },
  )
  // Stands in for a service that is slow when it is asked about the sea. The signal ends it.
  bus.handle(
    Search,
    async ({ payload: { query } }, { signal }) => {
      await sleep(query.includes('sea') ? SLOW_MS : 100, undefined, { signal })
      return `there are three pages about ${query}.`
    },
    { name: 'search' },
  )
}

/** A folder with something in it, unless it is there already. */
export function makeFiles(folder: string): void {
  if (mkdirSync(folder, { recursive: true }) === undefined) return
  for (const file of ['diary.txt', 'plan.txt']) writeFileSync(path.join(folder, file), '')
}
