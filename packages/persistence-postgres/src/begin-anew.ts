import { type RawBuilder, sql } from 'kysely'

// What becomes of the progress of an event that a person tries again: attempts that are used up would end it again at once.

/** What is done stays done; the attempts of the others begin anew, and their errors stay as their history. */
export const begunAnew = (progress: RawBuilder<unknown>): RawBuilder<unknown> => sql`(
  select json_object_agg(p.key, case when p.value->>'status' = 'done' then p.value
    else json_build_object('status', 'trying', 'attempts', 0, 'errors', coalesce(p.value->'errors', '[]'::json)) end)::text
  from json_each(coalesce(${progress}, '{}')::json) p)`

/** Whether some handler is done: then the event goes first in its lane. */
export const hasDone = (progress: RawBuilder<unknown>): RawBuilder<boolean> => sql`exists (
  select from json_each(coalesce(${progress}, '{}')::json) p where p.value->>'status' = 'done')`
