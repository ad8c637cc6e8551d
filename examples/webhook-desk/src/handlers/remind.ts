import type { EventHandler } from '@buslane/core'
import { type Delivered, FollowUp, type Thread } from '../events.ts'

/** Plans a second look at what was opened. Here it is due at once; on your desk it may be three days. */
export const remind =
  (afterMs: number, planned: () => void): EventHandler<Delivered & { body: Thread }> =>
  async ({ payload: { lane, number: delivery, body } }, { schedule }) => {
    if (body.action !== 'opened') return
    const { kind, number } = body
    // The key: if this handler has to run again after a crash, there is one follow-up all the same.
    await schedule(FollowUp({ lane, kind, number }), {
      delayMs: afterMs,
      idempotencyKey: `follow-up of delivery ${delivery}`,
    })
    planned()
  }
