import { setTimeout as sleep } from 'node:timers/promises'
import type { Line } from './history.ts'
import type { ToolCall } from './messages.ts'

/** What a model answers with, piece by piece: some text, or a tool that it wants first. */
type Chunk = { readonly kind: 'token'; readonly text: string } | { readonly kind: 'tool'; readonly call: ToolCall }

/** Put your provider behind this. */
export interface Model {
  /** Rejects when the signal is raised. */
  reply(conversation: readonly Line[], signal: AbortSignal): AsyncIterable<Chunk>
}

const MS_PER_TOKEN = 30

/** Follows a script: it looks at the last line only, and needs no network. */
export const scriptedModel: Model = {
  async *reply(conversation, signal) {
    const answer = answerTo(conversation.at(-1))
    if (typeof answer !== 'string') {
      yield { kind: 'tool', call: answer }
      return
    }
    for (const text of answer.split(/(?<= )/)) {
      await sleep(MS_PER_TOKEN, undefined, { signal })
      yield { kind: 'token', text }
    }
  },
}

function answerTo(line: Line | undefined): string | ToolCall {
  if (line === undefined) return 'Hello.'
  if (line.by === 'tool') return `I asked my tool. It says: ${line.text}`
  const [word = '', ...rest] = line.text.trim().toLowerCase().split(/\s+/)
  const input = rest.join(' ')
  if (word === 'list') return { tool: 'list', input }
  if (word === 'search') return { tool: 'search', input }
  if (word === 'delete') return { tool: 'delete', input }
  if (word === 'tell') return story
  return 'Say: list, search <words>, delete <file>, or tell me a story.'
}

const story =
  'Once there was a bus that never lost a passenger. One night its engine was stopped in the middle of the road. ' +
  'In the morning another driver came, and all of them were still in their seats.'
