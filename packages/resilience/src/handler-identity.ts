import { BUS, type HandlerRegistration } from '@buslane/core'

/** What a handler is called in a store, as core calls it; `undefined` if nobody gave it a name. */
export const identityOf = ({ options, type, sessionId }: HandlerRegistration): string | undefined => {
  if (options?.name === undefined) return type?.includes('*') ? type : undefined
  return sessionId === undefined || sessionId === BUS ? options.name : `session:${options.name}`
}
