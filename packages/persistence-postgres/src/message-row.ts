import type { StoredMessage } from '@buslane/core'
import type { MessageColumns } from './tables.ts'

export const messageOf = ({ kind, id, type, version, session_id, payload, headers }: MessageColumns): StoredMessage => {
  return { kind, id, type, version, sessionId: session_id, payload, headers }
}
