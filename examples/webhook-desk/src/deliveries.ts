import { readFile } from 'node:fs/promises'
import * as v from 'valibot'
import { originOf } from './origin.ts'
import { seededShuffle } from './seeded.ts'

/** One call of the webhook, as a receiver gets it. */
export interface Delivery {
  /** Its place in the feed, from 1. */
  readonly number: number
  /** GitHub's name for what happened, such as `pull_request`; it comes in the header `X-GitHub-Event`. */
  readonly event: string
  /** The JSON that GitHub sent. Nothing is known about it before a schema has looked at it. */
  readonly body: unknown
}

/** The names that deliveries come with. */
export const knownFrom = (deliveries: readonly Delivery[]): { kinds: Set<string>; repositories: Set<string> } => ({
  kinds: new Set(deliveries.map(({ event }) => event)),
  repositories: new Set(deliveries.flatMap(({ body }) => originOf(body).repository ?? [])),
})

const ExamplesSchema = v.array(v.object({ name: v.string(), examples: v.array(v.unknown()) }))

/** The real deliveries that `@octokit/webhooks-examples` has collected, `repeat` times, each time in another order. */
export async function readDeliveries({ seed, repeat }: { seed: number; repeat: number }): Promise<Delivery[]> {
  const file = new URL(import.meta.resolve('@octokit/webhooks-examples'))
  const kinds = v.parse(ExamplesSchema, JSON.parse(await readFile(file, 'utf8')))
  const collected = kinds.flatMap(({ name, examples }) => examples.map((body) => ({ event: name, body })))
  return Array.from({ length: repeat }, (_, round) => seededShuffle(seed + round, collected))
    .flat()
    .map((delivery, index) => ({ number: index + 1, ...delivery }))
}
