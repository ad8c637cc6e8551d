import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from '@buslane/core'
import type { Notifications } from './context.ts'
import { describeError } from './errors.ts'
import type { MakeListeningClient } from './listening-client.ts'

const FIRST_BACK_OFF_MS = 200
const MAX_BACK_OFF_MS = 10_000

/** The channel of a schema, as a quoted or plain name that fits into a statement. Postgres cuts names at 63 bytes. */
export const channelOf = (schema: string): string => {
  let hash = 0x811c9dc5 // FNV-1a, 32 bit: two schemas that share a channel would only wake each other
  for (const byte of new TextEncoder().encode(schema)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return `buslane_${hash.toString(16).padStart(8, '0')}`
}

/**
 * LISTEN on a connection of its own for as long as somebody wants hints. It comes back by itself; while it is away, and
 * through a pooler that shares connections between transactions, hints are lost and polling does their work.
 */
export const createNotifications = (makeClient: MakeListeningClient, schema: string, logger: Logger): Notifications => {
  const channel = channelOf(schema)
  const listeners = new Set<() => void>()
  const tell = (): void => {
    for (const listener of listeners) listener()
  }
  /** Set while somebody wants hints. */
  let listening: AbortController | undefined
  /** Resolves when every connection that there ever was is closed. */
  let closed: Promise<void> = Promise.resolve()

  const listenUntil = async (signal: AbortSignal): Promise<void> => {
    let backOffMs = FIRST_BACK_OFF_MS
    while (!signal.aborted) {
      const beganAt = performance.now()
      const error = await listenWith(makeClient, { channel, signal, tell }).catch((reason: unknown) => reason)
      if (signal.aborted) return
      // One that comes and goes is neither tried without a pause nor told about each time.
      if (performance.now() - beganAt > 2 * MAX_BACK_OFF_MS) backOffMs = FIRST_BACK_OFF_MS
      if (backOffMs === FIRST_BACK_OFF_MS) {
        logger.warn({ error }, `Hints are off for now, events are found by polling: ${describeError(error)}`)
      }
      await pause(backOffMs, undefined, { signal, ref: false }).catch(() => {})
      backOffMs = Math.min(MAX_BACK_OFF_MS, backOffMs * 2)
    }
  }

  const stop = (): void => {
    listening?.abort()
    listening = undefined
  }

  return {
    notify: `notify ${channel}`,
    channel,
    onHint(listener) {
      const own = (): void => listener()
      listeners.add(own)
      if (!listening) {
        listening = new AbortController()
        const ended = listenUntil(listening.signal)
        closed = Promise.all([closed, ended]).then(() => {})
      }
      return {
        [Symbol.dispose]() {
          listeners.delete(own)
          if (listeners.size === 0) stop()
        },
      }
    },
    close() {
      listeners.clear()
      stop()
      return closed
    },
  }
}

interface Listening {
  readonly channel: string
  readonly signal: AbortSignal
  readonly tell: () => void
}

/** Resolves when it is told to stop, rejects when the connection is lost; either way the connection is closed then. */
const listenWith = async (makeClient: MakeListeningClient, { channel, signal, tell }: Listening): Promise<void> => {
  const client = await makeClient()
  const over = Promise.withResolvers<void>()
  over.promise.catch(() => {}) // it may be over before anybody waits for that
  // It is heard to the end: an error event without a listener would end the process.
  client.on('error', (error) => over.reject(error))
  client.on('end', () => over.reject(new Error('the connection ended')))
  client.on('notification', tell)
  const stop = (): void => over.resolve()
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  try {
    await Promise.race([client.connect().then(() => client.query(`listen ${channel}`)), over.promise])
    // What was notified while nobody listened is not known.
    if (!signal.aborted) tell()
    await over.promise
  } finally {
    signal.removeEventListener('abort', stop)
    await client.end()
  }
}
