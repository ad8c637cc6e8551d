import * as v from 'valibot'

const named = v.nullish(v.object({ login: v.string() }))

const OriginSchema = v.object({
  repository: v.nullish(v.object({ full_name: v.string() })),
  organization: named,
  sender: named,
})

/** Where a delivery comes from. */
export interface Origin {
  readonly repository: string | undefined
  /** The lane of its events: its repository, else its organisation, else who caused it, else GitHub itself. */
  readonly lane: string
}

/** Reads the origin out of any body that GitHub sends. */
export function originOf(body: unknown): Origin {
  const { repository, organization, sender } = v.parse(OriginSchema, body)
  const lane = repository?.full_name ?? organization?.login ?? sender?.login ?? 'github'
  return { repository: repository?.full_name, lane }
}
