import { existsSync, readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Scale } from './section.ts'

/** Where and when something was measured: a figure without it means little. */
export interface Environment {
  readonly date: string
  readonly machine: string
  readonly node: string
  readonly scale: Scale
  /** How many cores were at work in the second before the section began: with nothing else to do hardly any. */
  readonly load: number
  readonly cores: number
  readonly postgres?: string | undefined
  readonly redis?: string | undefined
  /** Of everything that is measured beside us. */
  readonly versions: Readonly<Record<string, string>>
}

const folder = path.join(import.meta.dirname, '..')

const versionOf = (name: string): string | undefined => {
  const file = path.join(folder, 'node_modules', name, 'package.json')
  if (!existsSync(file)) return undefined
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version
}

/** The packages that results name. */
const PEERS = [
  'eventemitter3',
  'mitt',
  'emittery',
  'hookable',
  '@nestjs/cqrs',
  'effect',
  'moleculer',
  'abxbus',
  'graphile-worker',
  'pg-boss',
  'bullmq',
  'pg',
  '@electric-sql/pglite',
  '@opentelemetry/sdk-trace',
  '@opentelemetry/sdk-metrics',
] as const

interface Servers {
  readonly postgres?: string | undefined
  readonly redis?: string | undefined
}

/** How many cores have been at work, on the average, for a second. The average of a minute would tell of the section before. */
const coresAtWork = async (): Promise<number> => {
  const spent = (): { readonly all: number; readonly idle: number } => {
    const times = os.cpus().map((core) => core.times)
    const all = times.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0)
    return { all, idle: times.reduce((sum, { idle }) => sum + idle, 0) }
  }
  const before = spent()
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const after = spent()
  return os.cpus().length * (1 - (after.idle - before.idle) / Math.max(1, after.all - before.all))
}

export const environment = async (scale: Scale, { postgres, redis }: Servers): Promise<Environment> => {
  const [cpu] = os.cpus()
  const memory = Math.round(os.totalmem() / 2 ** 30)
  const versions = PEERS.map((name) => [name, versionOf(name) ?? 'not installed'] as const)
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpu?.model.trim() ?? 'unknown processor'}, ${os.cpus().length} cores, ${memory} GB, ${os.type()} ${os.arch()}`,
    node: process.version,
    scale,
    load: Math.round((await coresAtWork()) * 10) / 10,
    cores: os.cpus().length,
    ...(postgres !== undefined && { postgres }),
    ...(redis !== undefined && { redis }),
    versions: Object.fromEntries(versions),
  }
}
