/**
 * The globals core may use: what Node, browsers, Deno, Bun and edge runtimes have in common. Only the check in
 * tsconfig.src.json sees this file; users bring the real types with @types/node or the DOM library.
 */

interface AbortSignal {
  readonly aborted: boolean
  readonly reason: unknown
  throwIfAborted(): void
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean; signal?: AbortSignal }): void
  removeEventListener(type: 'abort', listener: () => void): void
}
declare const AbortSignal: {
  readonly prototype: AbortSignal
  abort(reason?: unknown): AbortSignal
  any(signals: Iterable<AbortSignal>): AbortSignal
  timeout(milliseconds: number): AbortSignal
}

interface AbortController {
  readonly signal: AbortSignal
  abort(reason?: unknown): void
}
declare const AbortController: { new (): AbortController; readonly prototype: AbortController }

interface MessagePort {
  onmessage: ((event: unknown) => void) | null
  postMessage(message: unknown): void
  close(): void
}
interface MessageChannel {
  readonly port1: MessagePort
  readonly port2: MessagePort
}
declare const MessageChannel: { new (): MessageChannel; readonly prototype: MessageChannel }

declare function setTimeout(callback: () => void, delayMs?: number): unknown
declare function clearTimeout(timer: unknown): void
declare function queueMicrotask(callback: () => void): void
declare function structuredClone<T>(value: T): T

declare const performance: { now(): number; readonly timeOrigin: number }
declare const crypto: { randomUUID(): string; getRandomValues<T extends ArrayBufferView>(array: T): T }

interface Console {
  debug(...data: unknown[]): void
  error(...data: unknown[]): void
  info(...data: unknown[]): void
  log(...data: unknown[]): void
  warn(...data: unknown[]): void
}
declare const console: Console
