import type { Result, Section, Task } from '../harness/section.ts'
import { bundleOf } from '../packaging/bundle.ts'
import { dependenciesOf } from '../packaging/dependencies.ts'
import { importTimeOf } from '../packaging/start-up.ts'

interface Weighed {
  readonly name: string
  readonly package: string
  /** What an application writes to use it. */
  readonly code: string
  /** Parts that are loaded only if somebody installs them. */
  readonly external?: readonly string[]
  readonly goal?: number
  readonly caveat?: string
}

const ours: readonly Weighed[] = [
  {
    name: 'createBus of @buslane/core',
    package: '@buslane/core',
    code: `export { createBus, defineEvent, defineCommand } from '@buslane/core'`,
    goal: 8000,
  },
  { name: 'all of @buslane/core', package: '@buslane/core', code: `export * from '@buslane/core'` },
  {
    name: '@buslane/persistence-memory',
    package: '@buslane/persistence-memory',
    code: `export * from '@buslane/persistence-memory'`,
    external: ['@buslane/core'],
    caveat: 'without core',
  },
  {
    name: '@buslane/persistence-postgres',
    package: '@buslane/persistence-postgres',
    code: `export * from '@buslane/persistence-postgres'`,
    external: ['@buslane/core', '@buslane/core/store-runner', 'pg', 'pg-native'],
    caveat: 'without core and pg, with kysely',
  },
  {
    name: '@buslane/resilience',
    package: '@buslane/resilience',
    code: `export * from '@buslane/resilience'`,
    external: ['@buslane/core'],
    caveat: 'without core',
  },
  {
    name: '@buslane/approvals',
    package: '@buslane/approvals',
    code: `export * from '@buslane/approvals'`,
    external: ['@buslane/core'],
    caveat: 'without core',
  },
  {
    name: '@buslane/telemetry',
    package: '@buslane/telemetry',
    code: `export * from '@buslane/telemetry'`,
    external: ['@buslane/core', '@opentelemetry/api'],
    caveat: 'without core and the API of OpenTelemetry',
  },
]

const nestOptional = [
  '@nestjs/microservices',
  '@nestjs/microservices/*',
  '@nestjs/websockets',
  '@nestjs/websockets/*',
  '@nestjs/platform-express',
  'class-transformer',
  'class-transformer/*',
  'class-validator',
]

const peers: readonly Weighed[] = [
  { name: 'eventemitter3', package: 'eventemitter3', code: `export { EventEmitter } from 'eventemitter3'` },
  { name: 'mitt', package: 'mitt', code: `export { default } from 'mitt'` },
  { name: 'emittery', package: 'emittery', code: `export { default } from 'emittery'` },
  { name: 'hookable', package: 'hookable', code: `export { createHooks } from 'hookable'` },
  {
    name: '@nestjs/cqrs',
    package: '@nestjs/cqrs',
    code: `export { CqrsModule, CommandBus, EventBus } from '@nestjs/cqrs'; export { NestFactory } from '@nestjs/core'`,
    external: nestOptional,
    caveat: 'with the parts of Nest that it cannot do without',
  },
  { name: 'effect', package: 'effect', code: `export { Effect, PubSub, Stream } from 'effect'` },
  {
    name: 'moleculer',
    package: 'moleculer',
    code: '',
  },
  {
    name: 'abxbus',
    package: 'abxbus',
    code: `export { EventBus, BaseEvent } from 'abxbus'`,
    external: ['ioredis', 'nats', 'pg', '@opentelemetry/*', '@tachyon-ipc/core'],
  },
  { name: 'graphile-worker', package: 'graphile-worker', code: '' },
  { name: 'pg-boss', package: 'pg-boss', code: '' },
  { name: 'bullmq', package: 'bullmq', code: '' },
]

const weigh = async ({ name, code, external, goal, caveat }: Weighed): Promise<Result> => {
  const contest = 'minified and gzipped'
  const skipped = (reason: string): Result => ({ kind: 'skipped', contest, of: name, reason })
  if (code === '') return skipped('it runs on a server and is not made to be bundled')
  try {
    const { gzipped } = await bundleOf(code, external)
    return { kind: 'figure', contest, of: name, unit: 'bytes', values: [gzipped], goal, caveat }
  } catch {
    return skipped('it cannot be bundled')
  }
}

const sizes: Task = {
  name: 'sizes',
  measure: async () => Promise.all([...ours, ...peers].map(weigh)),
}

const onePerPackage = (): readonly Weighed[] =>
  [...ours, ...peers].filter(
    ({ package: name }, index, all) => all.findIndex((other) => other.package === name) === index,
  )

const dependencies: Task = {
  name: 'dependencies',
  measure: async () =>
    onePerPackage().map(({ package: name }): Result => ({
      kind: 'figure',
      contest: 'packages that come along',
      of: name,
      unit: 'count',
      values: [dependenciesOf(name)],
    })),
}

/** In turn, so that what the machine does meanwhile falls on all of them. */
const startUp: Task = {
  name: 'start-up',
  measure: async ({ rounds }) => {
    const found = new Map(onePerPackage().map(({ package: name }) => [name, [] as number[]]))
    for (let round = 0; round <= rounds; round++) {
      for (const [name, times] of found) {
        const ms = importTimeOf(name)
        if (round > 0) times.push(ms) // the first reads from the disk
      }
    }
    return [...found].map(([of, values]): Result => ({
      kind: 'figure',
      contest: 'import in a fresh process',
      of,
      unit: 'ms',
      values,
    }))
  },
}

export const size: Section = {
  name: 'size',
  title: 'Size, dependencies and start-up',
  about:
    'What a bundle grows by (esbuild, minified, gzip level 9), how many packages an installation brings along (dependencies, theirs, and peers that it cannot do without; core counts as one of ours), and how long the first `import` takes.',
  rounds: { quick: 1, normal: 7, full: 15 },
  tasks: () => [sizes, dependencies, startUp],
}
