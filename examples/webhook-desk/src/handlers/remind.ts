import type { EventHandler } from '@buslane/core'
import { type Delivered, FollowUp, type Thread } from '../events.ts'

/** Plans a second look at what was opened. Here it is due at once; on your desk it may be three days. */
export const remind =
  (afterMs: number, planned: () => void): EventHandler<Delivered & { body: Thread }> =>
  async ({ payload: { lane, body } }, { schedule }) => {
    if (body.action !== 'opened') return
    const { kind, number } = body
    await schedule(FollowUp({ lane, kind, number }), { delayMs: afterMs })
    planned()
  }
