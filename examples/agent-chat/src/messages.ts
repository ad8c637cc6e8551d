import { type CommandMessage, defineCommand, defineEvent } from '@buslane/core'

// A conversation is what these four say, in order. They are stored before anybody acts on them.
export const UserSaid = defineEvent<{ readonly text: string }>('chat.user-said', { durable: true })
export const AgentSaid = defineEvent<{ readonly text: string }>('chat.agent-said', { durable: true })
export const ToolWanted = defineEvent<ToolCall>('chat.tool-wanted', { durable: true })
export const ToolAnswered = defineEvent<{ readonly text: string }>('chat.tool-answered', { durable: true })

// What the user sees meanwhile. Not stored: what the agent said is, as a whole.
export const TokenStreamed = defineEvent<{ readonly text: string }>('chat.token-streamed')
export const ToolStarted = defineEvent<ToolCall>('chat.tool-started')

/** What the model asks for. */
export interface ToolCall {
  readonly tool: keyof typeof tools
  readonly input: string
}

// A tool that fails is for the model to think about, not for the bus to try again: `retry: false`.
export const ListFiles = defineCommand<null, string>('files.list', { retry: false })
/** Slow at times. It is given up after three seconds, or when the user interrupts. */
export const Search = defineCommand<{ readonly query: string }, string>('web.search', {
  timeoutMs: 3_000,
  retry: false,
})
/** Dangerous: a person must say yes. It may run again if it was killed, since deleting twice is deleting. */
export const DeleteFile = defineCommand<{ readonly file: string }, string>('files.delete', {
  approval: { required: true, onCrash: 'retry' },
  retry: false,
})

/** The tools by the names that the model knows. */
export const tools = {
  list: (): CommandMessage<unknown, string> => ListFiles(null),
  search: (query: string): CommandMessage<unknown, string> => Search({ query }),
  delete: (file: string): CommandMessage<unknown, string> => DeleteFile({ file }),
} as const
