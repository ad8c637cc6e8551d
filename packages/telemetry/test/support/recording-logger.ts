import type { Logger } from '@buslane/core'

/** A logger that keeps what it was told. */
export const recordingLogger = (): Logger & {
  readonly lines: { level: string; message: string; fields: object }[]
} => {
  const lines: { level: string; message: string; fields: object }[] = []
  const at = (level: string) => (fields: object, message: string) => void lines.push({ level, message, fields })
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
