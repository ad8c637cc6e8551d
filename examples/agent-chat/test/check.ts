// Chats with the agent as a user does, kills it with SIGKILL in the middle, and goes on.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openTerminal } from './terminal.ts'

const QUESTION = 'May I run files.delete'

/** What the conversation must be in the end, whatever happened to the program: every line once, in order. */
const transcript = [
  'user: list',
  'agent to tool: list',
  'tool: diary.txt, plan.txt.',
  'agent: I asked my tool. It says: diary.txt, plan.txt.',
  'user: delete plan.txt',
  'agent to tool: delete plan.txt',
  'tool: plan.txt is deleted.',
  'agent: I asked my tool. It says: plan.txt is deleted.',
  'user: delete diary.txt',
  'agent to tool: delete diary.txt',
  'tool: the user said no.',
  'agent: I asked my tool. It says: the user said no.',
  'user: delete diary.txt',
  'agent to tool: delete diary.txt',
  'tool: the user interrupted it.',
  'agent: I asked my tool. It says: the user interrupted it.',
  'user: search the sea',
  'agent to tool: search the sea',
  'tool: the user interrupted it.',
  'agent: I asked my tool. It says: the user interrupted it.',
  'user: search the deep sea',
  'agent to tool: search the deep sea',
  'tool: it took too long.',
  'agent: I asked my tool. It says: it took too long.',
  'user: tell me a story',
  'agent: Once there was a bus that never lost a passenger. One night its engine was stopped in the middle of the road. ' +
    'In the morning another driver came, and all of them were still in their seats.',
]

async function chat(data: string): Promise<void> {
  const files = path.join(data, 'files')
  let terminal = openTerminal('--data', data)
  terminal.type('list')
  await terminal.read('It says: diary.txt, plan.txt.')
  terminal.type('delete plan.txt')
  await terminal.read(QUESTION)
  await terminal.kill()

  terminal = openTerminal('--data', data)
  await terminal.read(QUESTION)
  assert.ok(existsSync(path.join(files, 'plan.txt')), 'nobody has said yes yet')
  terminal.type('yes')
  await terminal.read('It says: plan.txt is deleted.')
  assert.ok(!existsSync(path.join(files, 'plan.txt')))
  terminal.type('delete diary.txt')
  await terminal.read(QUESTION)
  terminal.type('no')
  await terminal.read('It says: the user said no.')
  terminal.type('delete diary.txt')
  await terminal.read(QUESTION)
  terminal.interrupt()
  await terminal.read('It says: the user interrupted it.')
  assert.ok(existsSync(path.join(files, 'diary.txt')))

  terminal.type('search the sea')
  await terminal.read('(search the sea)')
  terminal.interrupt()
  await terminal.read('It says: the user interrupted it.')
  terminal.type('search the deep sea')
  await terminal.read('It says: it took too long.')

  terminal.type('tell me a story')
  await terminal.read('One night')
  await terminal.kill()

  terminal = openTerminal('--data', data)
  await terminal.read('still in their seats.')
  assert.equal(await terminal.end(), 0)

  const other = openTerminal('--data', data, '--chat', 'other')
  other.type('hello')
  await other.read('Say: list')
  assert.equal(await other.end(), 0)
}

const data = await mkdtemp(path.join(tmpdir(), 'agent-chat-'))
try {
  await chat(data)
  const terminal = openTerminal('--data', data)
  assert.equal(await terminal.end(), 0)
  assert.deepEqual(terminal.output.trim().split('\n'), transcript)
} finally {
  await rm(data, { recursive: true, force: true })
}
console.log('The conversation is complete, and nothing in it was said twice.')
