import type { CommandHandler } from '@buslane/core'
import type { Page, Paged } from '../commands.ts'
import type { Services } from '../services.ts'

/** Pages one team. Which one is settled where it is registered. */
export const page =
  (onCall: string, services: Services): CommandHandler<Page, Paged> =>
  async ({ payload: { summary } }, { signal }) => {
    await services.page(onCall, summary, signal)
    return { onCall }
  }
