import {
  CheckFailedError,
  approvalStoreChecks,
  deadLetterStoreChecks,
  eventStoreChecks,
  runChecks,
} from '@buslane/testkit/conformance'
import { describe, expect, it } from 'vitest'
import { brokenApprovalStores } from './support/broken-approvals.ts'
import { brokenDeadLetterStores } from './support/broken-dead-letters.ts'
import { brokenEventStores } from './support/broken-events.ts'
import { brokenLanesAndKeys } from './support/broken-lanes-and-keys.ts'
import { changed } from './support/delegate.ts'
import { memoryHarness } from './support/memory-harness.ts'

const checks = [...eventStoreChecks, ...deadLetterStoreChecks, ...approvalStoreChecks]

describe('a store that', () => {
  it.each([...brokenEventStores, ...brokenLanesAndKeys, ...brokenDeadLetterStores, ...brokenApprovalStores])(
    '$fault is rejected by $check',
    async ({ check, ...changes }) => {
      const meant = checks.filter(({ id }) => id === check)
      const [result, ...others] = await runChecks(
        meant,
        memoryHarness((persistence) => changed(persistence, changes)),
      )
      expect(others).toEqual([])
      expect(result).toMatchObject({ status: 'failed', error: expect.any(CheckFailedError) })
    },
  )

  it('has no fault passes every check when it is wrapped like the broken ones', async () => {
    const results = await runChecks(
      checks,
      memoryHarness((persistence) => changed(persistence, {})),
    )
    expect(results.filter(({ status }) => status === 'failed')).toEqual([])
  })
})
