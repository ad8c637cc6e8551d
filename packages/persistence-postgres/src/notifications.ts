import type { Logger } from '@buslane/core'
import type { Notifications } from './context.ts'
import { describeError } from './errors.ts'
import type { PooledClient, PostgresPool } from './pool.ts'

const FIRST_BACK_OFF_MS = 200
const MAX_BACK_OFF_MS = 30_000

/** The channel of a schema, as a quoted or plain name that fits into a statement. Postgres cuts names at 63 bytes. */
export const channelOf = (schema: string): string => {
  let hash = 0x811c9dc5 // FNV-1a, 32 bit: two schemas that share a channel would only wake each other
  for (const byte of new TextEncoder().encode(schema)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return `buslane_${hash.toString(16).padStart(8, '0')}`
}

/** A client of `pg` that tells of notifications. */
interface ListeningClient extends Omit<PooledClient, 'on'> {
  on(event: 'notification' | 'error' | 'end', listener: (error?: unknown) => void): unknown
  removeAllListeners?(): unknown
}

/**
 * LISTEN on a connection of its own, taken from the pool for as long as somebody listens. It comes back by itself; while it is away, and
 * through a pooler that shares connections between transactions, hints are lost and polling does their work.
 */
export const createNotifications = (pool: PostgresPool, schema: string, logger: Logger): Notifications => {
  const channel = channelOf(schema)
  const listeners = new Set<() => void>()
  let client: ListeningClient | undefined
  let timer: NodeJS.Timeout | undefined
  let backOffMs = FIRST_BACK_OFF_MS
  let connecting = false
  let told = false

  const lose = (from: ListeningClient | undefined, error: unknown): void => {
    if (from !== client) return
    client = undefined
    if (from) {
      from.removeAllListeners?.()
      from.on('error', () => {})
      from.release(true)
    }
    if (listeners.size === 0) return
    if (!told) logger.warn({ error }, `Hints are off for now, events are found by polling: ${describeError(error)}`)
    told = true
    timer = setTimeout(() => void connect(), backOffMs)
    timer.unref()
    backOffMs = Math.min(MAX_BACK_OFF_MS, backOffMs * 2)
  }

  const connect = async (): Promise<void> => {
    if (connecting || client || listeners.size === 0) return
    connecting = true
    try {
      const found = (await pool.connect()) as ListeningClient
      client = found
      found.on('error', (error) => lose(found, error))
      found.on('end', () => lose(found, new Error('the connection ended')))
      found.on('notification', () => {
        for (const listener of listeners) listener()
      })
      await found.query(`listen ${channel}`)
      backOffMs = FIRST_BACK_OFF_MS
      told = false
      // What was notified while nobody listened is not known.
      for (const listener of listeners) listener()
      if (listeners.size === 0) stop()
    } catch (error) {
      lose(client, error)
    } finally {
      connecting = false
    }
  }

  const stop = (): void => {
    clearTimeout(timer)
    const leaving = client
    client = undefined
    if (!leaving) return
    leaving.removeAllListeners?.()
    leaving.on('error', () => {})
    // Destroyed, not put back: it would go on listening.
    leaving.release(true)
  }

  return {
    notify: `notify ${channel}`,
    onHint(listener) {
      const own = (): void => listener()
      listeners.add(own)
      void connect()
      return {
        [Symbol.dispose]() {
          listeners.delete(own)
          if (listeners.size === 0 && !connecting) stop()
        },
      }
    },
    close() {
      listeners.clear()
      stop()
      return Promise.resolve()
    },
  }
}
