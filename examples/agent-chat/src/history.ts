import type { EventLog, LoggedEvent } from '@buslane/core'
import { AgentSaid, ToolAnswered, ToolWanted, UserSaid } from './messages.ts'

/** A line of a conversation. */
export interface Line {
  /** Of the event that said so. */
  readonly id: string
  readonly by: 'user' | 'agent' | 'tool' | 'agent to tool'
  readonly text: string
}

const speakers: Readonly<Record<string, Line['by']>> = {
  [UserSaid.type]: 'user',
  [AgentSaid.type]: 'agent',
  [ToolAnswered.type]: 'tool',
  [ToolWanted.type]: 'agent to tool',
}

/** What the log of the store has to record. */
export const conversationTypes: readonly string[] = Object.keys(speakers)

/** The conversation of a chat, in order, up to the event, which is the last line; without one, all of it. */
export async function readConversation(log: EventLog, chat: string, upTo?: string): Promise<readonly Line[]> {
  const lines: Line[] = []
  let cursor: string | undefined
  do {
    const page = await log.read({ sessionId: chat, cursor })
    for (const event of page.entries) {
      lines.push(lineOf(event))
      if (event.message.id === upTo) return lines
    }
    cursor = page.next
  } while (cursor !== undefined)
  return lines
}

function lineOf({ message: { id, type, payload } }: LoggedEvent): Line {
  const { text, tool, input } = JSON.parse(payload) as Readonly<Record<string, string>>
  return { id, by: speakers[type] ?? 'agent', text: text ?? `${tool} ${input}`.trim() }
}
