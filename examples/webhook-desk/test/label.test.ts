import { expect, it } from 'vitest'
import { labelsFor } from '../src/handlers/label.ts'

const thread = { action: 'opened', kind: 'issue', number: 1, title: 'Hello', changedLines: 0 } as const

it.each([
  [thread, ['issue']],
  [{ ...thread, title: 'Spelling error in the README file' }, ['issue', 'documentation', 'bug']],
  [{ ...thread, kind: 'pull request', changedLines: 49 } as const, ['pull request', 'size: small']],
  [{ ...thread, kind: 'pull request', changedLines: 50 } as const, ['pull request', 'size: large']],
])('labels %j with %j', (given, labels) => {
  expect(labelsFor(given)).toEqual(labels)
})
