import { createInterface } from 'node:readline'
import path from 'node:path'
import { ApprovalCancelled, ApprovalRequested, approvals } from '@buslane/approvals'
import { createBus } from '@buslane/core'
import { pglitePersistence } from '@buslane/persistence-postgres/pglite'
import { resilience } from '@buslane/resilience'
import { registerAgent } from './agent.ts'
import { ApprovalPrompt } from './approval-prompt.ts'
import { conversationTypes, readConversation } from './history.ts'
import { Interrupts } from './interrupts.ts'
import { AgentSaid, TokenStreamed, ToolStarted, UserSaid } from './messages.ts'
import { scriptedModel } from './model.ts'
import { type Options, readOptions, usage } from './options.ts'
import { makeFiles, registerTools } from './tools.ts'

const print = (text: string): void => void process.stdout.write(text)

async function talk({ chat, data }: Options): Promise<void> {
  const files = path.join(data, 'files')
  makeFiles(files)
  const persistence = pglitePersistence({
    dataDir: path.join(data, 'database'),
    eventLog: { types: conversationTypes },
  })
  const { eventLog: log } = persistence
  if (log === undefined) throw new Error('The store keeps no log.')

  const desk = approvals()
  // A step is tried again if it fails, and if it was killed, however often the machine restarts meanwhile.
  const bus = createBus({ persistence, plugins: [desk, resilience({ retry: { maxRetries: 100 } })] })
  const interrupts = new Interrupts()
  const prompt = new ApprovalPrompt(desk, print)
  registerTools(bus, files)
  registerAgent({ bus, model: scriptedModel, log, desk, interrupts })
  bus.on(AgentSaid, () => print('\n'), { name: 'end-line' })
  bus.on(ApprovalRequested, ({ payload }) => prompt.add(payload.approvalId), { name: 'ask' })
  bus.on(ApprovalCancelled, ({ payload }) => prompt.drop(payload.approvalId), { name: 'stop-asking' })

  await persistence.events.open() // before the bus does, to show what was said before anything else is
  for (const { by, text } of await readConversation(log, chat)) print(`${by}: ${text}\n`)
  // A session is a chat: its events wait for each other, and for those of no other chat.
  const session = bus.session(chat)
  session.on(TokenStreamed, ({ payload }) => print(payload.text))
  session.on(ToolStarted, ({ payload: { tool, input } }) => print(`(${`${tool} ${input}`.trim()})\n`))
  await bus.start()
  await prompt.resume()

  const lines = createInterface({ input: process.stdin })
  process.on('SIGINT', () => interrupts.interrupt(chat))
  for await (const line of lines) {
    if (line === '/quit') break
    if (!(await prompt.answer(line))) await session.publish(UserSaid({ text: line }))
  }
  await bus.stop({ timeoutMs: 1000 })
  await persistence.close()
}

const options = readOptions(process.argv.slice(2))
if (typeof options === 'string') {
  console.error(`${options}\n\n${usage}`)
  process.exitCode = 2
} else if (options.help) console.log(usage)
else await talk(options)
