import { aborted, BusError } from './errors.ts'
import type { EventMessage } from './message.ts'
import type { Registration } from './routing.ts'

/** Registers a handler for as long as the stream lives. */
export type Subscribe = (handler: (event: EventMessage) => void) => Registration

/** How many events a reader of `bus.events()` may be behind. */
const BUFFER = 10_000

/** What has to be told when the bus stops. */
export type Closers = Set<() => void>

/** Resolves with the next event that passes. */
export const nextEvent = (
  subscribe: Subscribe,
  closers: Closers,
  predicate: ((event: EventMessage) => boolean) | undefined,
  signal: AbortSignal | undefined,
): Promise<EventMessage> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted('Waiting for an event', signal.reason))
    const end = (): void => {
      registration.remove()
      closers.delete(onClose)
      signal?.removeEventListener('abort', onAbort)
    }
    const fail = (error: BusError): void => {
      end()
      reject(error)
    }
    const onAbort = (): void => fail(aborted('Waiting for an event', signal!.reason))
    const onClose = (): void => fail(new BusError('BUS_STOPPED', 'The bus stopped before the event came'))
    const registration = subscribe((event) => {
      try {
        if (predicate && !predicate(event)) return
      } catch (error) {
        end()
        // oxlint-disable-next-line prefer-promise-reject-errors -- whatever the predicate threw
        return reject(error)
      }
      end()
      resolve(event)
    })
    closers.add(onClose)
    signal?.addEventListener('abort', onAbort, { once: true })
  })

/** The events from now on, for `for await`. It ends with the signal, with the bus, or when the loop is left. */
export const eventStream = (
  subscribe: Subscribe,
  closers: Closers,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<EventMessage> & AsyncDisposable => {
  const buffer: EventMessage[] = []
  const readers: PromiseWithResolvers<IteratorResult<EventMessage>>[] = []
  let ended = false
  let failure: BusError | undefined
  const end = (): void => {
    ended = true
    registration.remove()
    closers.delete(end)
    signal?.removeEventListener('abort', end)
    for (const reader of readers.splice(0)) reader.resolve({ done: true, value: undefined })
  }
  const registration = subscribe((event) => {
    const reader = readers.shift()
    if (reader) return reader.resolve({ done: false, value: event })
    if (buffer.push(event) <= BUFFER) return
    failure = new BusError('STREAM_OVERFLOW', `The reader of '${event.type}' is ${BUFFER} events behind. Read faster`)
    end()
  })
  closers.add(end)
  signal?.addEventListener('abort', end, { once: true })
  if (signal?.aborted) end()
  return {
    async next() {
      const event = buffer.shift()
      if (event !== undefined && !failure) return { done: false, value: event }
      if (failure) throw failure
      if (ended) return { done: true, value: undefined }
      const reader = Promise.withResolvers<IteratorResult<EventMessage>>()
      readers.push(reader)
      return reader.promise
    },
    async return() {
      buffer.length = 0
      end()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
    async [Symbol.asyncDispose]() {
      end()
    },
  }
}
