import { BUS, type CommandHandler, type EventHandler, type HandlerRegistry } from '../../src/index.ts'

/** A registry with only the base API, as somebody would write it in ten minutes. */
export const baseRegistry = (): HandlerRegistry => {
  const events: { type: string; sessionId: string; handler: EventHandler }[] = []
  const commands = new Map<string, CommandHandler>()
  return {
    contract: 'handler-registry/1',
    registerCommandHandler({ type, sessionId, handler }) {
      const key = `${sessionId}/${type}`
      if (commands.has(key)) throw new Error(`'${type}' has a handler in ${sessionId}`)
      commands.set(key, handler)
    },
    registerEventHandler(registration) {
      events.push(registration)
    },
    getCommandHandler: (type, sessionId) => commands.get(`${sessionId}/${type}`) ?? commands.get(`${BUS}/${type}`),
    getEventHandlers: (type, sessionId) =>
      events
        .filter((one) => one.type === type && (one.sessionId === BUS || one.sessionId === sessionId))
        .map(({ handler }) => handler),
    unregisterSession(sessionId) {
      const rest = events.filter((one) => one.sessionId !== sessionId)
      events.splice(0, events.length, ...rest)
      for (const key of commands.keys()) commands.delete(key.startsWith(`${sessionId}/`) ? key : '')
    },
  }
}
