import type { EventHandler } from '@buslane/core'
import type { Delivered, Thread } from '../events.ts'
import type { Services } from '../services.ts'

/** Labels an issue or a pull request by what it is about. */
export const label =
  (services: Services): EventHandler<Delivered & { body: Thread }> =>
  async ({ payload: { body } }, { signal }) => {
    await services.addLabels(body.number, signal)
    return labelsFor(body)
  }

export function labelsFor({ kind, title, changedLines }: Thread): string[] {
  const labels: string[] = [kind]
  if (/\b(readme|docs?|spelling|typo)\b/i.test(title)) labels.push('documentation')
  if (/\b(error|bug|crash|fails?)\b/i.test(title)) labels.push('bug')
  if (kind === 'pull request') labels.push(changedLines < 50 ? 'size: small' : 'size: large')
  return labels
}
