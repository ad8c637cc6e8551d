import { defineCommand, type } from '@buslane/core'
import * as v from 'valibot'

const PageSchema = v.object({ lane: v.string(), severity: v.string(), summary: v.string() })

export type Page = v.InferOutput<typeof PageSchema>

/** Who was woken up. */
export interface Paged {
  readonly onCall: string
}

/** Wakes somebody up. The desk handles it for everybody; the session of a repository shadows that with its own people. */
export const PageOnCall = defineCommand('desk.page-on-call', { schema: PageSchema, resultSchema: type<Paged>() })
