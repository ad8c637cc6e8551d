import type { Approvals } from '@buslane/approvals'
import type { Bus, BusError, EventContext, EventLog, EventMessage } from '@buslane/core'
import { readConversation } from './history.ts'
import type { Interrupts } from './interrupts.ts'
import {
  AgentSaid,
  TokenStreamed,
  ToolAnswered,
  type ToolCall,
  tools,
  ToolStarted,
  ToolWanted,
  UserSaid,
} from './messages.ts'
import type { Model } from './model.ts'

export interface AgentOptions {
  readonly bus: Bus
  readonly model: Model
  readonly log: EventLog
  readonly desk: Approvals
  readonly interrupts: Interrupts
}

/**
 * The loop of an agent: think, want a tool, get its answer, think again, say something. Each step is an event that is
 * stored before the next begins, and the key of a step is made of the one before: a killed agent goes on where it was,
 * and says nothing twice.
 */
export function registerAgent({ bus, model, log, desk, interrupts }: AgentOptions): void {
  async function think(event: EventMessage, context: EventContext): Promise<void> {
    const { sessionId: chat } = event
    const stopped = interrupts.signalOf(chat)
    const conversation = await readConversation(log, chat, event.id)
    const idempotencyKey = `after ${event.id}`
    let said = ''
    try {
      for await (const chunk of model.reply(conversation, AbortSignal.any([stopped, context.signal]))) {
        if (chunk.kind === 'tool') return void (await context.publish(ToolWanted(chunk.call), { idempotencyKey }))
        said += chunk.text
        // Handled at once, as a part of this handler: the lane of the chat is busy with it.
        await context.publishAndWait(TokenStreamed({ text: chunk.text }))
      }
    } catch (error) {
      if (!stopped.aborted) throw error
      said += '(interrupted)'
    }
    await context.publish(AgentSaid({ text: said }), { idempotencyKey })
  }

  async function useTool(event: EventMessage<ToolCall>, context: EventContext): Promise<void> {
    const { tool, input } = event.payload
    const stopped = interrupts.signalOf(event.sessionId)
    await context.publishAndWait(ToolStarted(event.payload))
    const approvalId = `${tool} ${event.id}`
    const result = await context.execute(tools[tool](input), { waitForApproval: true, approvalId, signal: stopped })
    // The process is ending, which says nothing about the tool: the next one asks again.
    context.signal.throwIfAborted()
    if (stopped.aborted) await desk.cancel(approvalId, { by: 'the user' })
    const text = result.success ? result.value : whatWentWrong(result.error)
    await context.publish(ToolAnswered({ text }), { idempotencyKey: `after ${event.id}` })
  }

  bus.on(UserSaid, think, { name: 'think' })
  bus.on(ToolAnswered, think, { name: 'think' })
  bus.on(ToolWanted, useTool, { name: 'use-tool' })
}

/** What the model is told. */
function whatWentWrong(error: BusError): string {
  if (error.code === 'APPROVAL_DENIED') return 'the user said no.'
  if (error.code === 'ABORTED') return 'the user interrupted it.'
  if (error.code === 'HANDLER_TIMED_OUT') return 'it took too long.'
  // HANDLER_FAILED says that the tool threw; its cause says what.
  return error.cause instanceof Error ? error.cause.message : error.message
}
