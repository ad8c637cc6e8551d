import type { NewDeadLetter, NewEvent } from '@buslane/core'
import { present } from './expect.ts'
import { event, type EventSketch, failure, ORDER_PLACED } from './sketches.ts'
import type { Subject } from './subject.ts'

/** Stores events and gives each up, as a worker does whose handler failed. The keys of their letters. */
export async function die(store: Subject, ...given: readonly NewEvent[]): Promise<string[]> {
  const worker = await store.join()
  const keys: string[] = []
  for (const one of given) {
    await store.append(one)
    await dieAgain(store, one.message.id, worker)
    keys.push(await keyOfLetter(store, one.message.id))
  }
  await store.events.leave(worker)
  return keys
}

/** Claims one and gives it up. What else is claimed with it is given back. */
export async function dieAgain(store: Subject, id: string, worker: string): Promise<void> {
  const types = [ORDER_PLACED, 'order.other'].map((type) => ({ type, version: 1, handlers: ['ship'] }))
  const { events } = await store.claim(worker, { types })
  for (const { lease, message, progress } of events) {
    if (message.id !== id) await store.settle({ kind: 'release', lease })
    else {
      const errors = [...(progress['ship']?.errors ?? []), failure('no')]
      await store.settle({
        kind: 'dead',
        lease,
        reason: 'failed',
        progress: { ...progress, ship: { status: 'failed', attempts: 1, errors } },
      })
    }
  }
}

export async function keyOfLetter(store: Subject, id: string): Promise<string> {
  const letters = await store.letters()
  return present(
    `the dead letter of ${id}`,
    letters.find(({ message }) => message.id === id),
  ).key
}

/** A letter of something that was never in the event store. */
export function letter(id: string, sketch: EventSketch = {}): NewDeadLetter {
  return {
    message: event(id, sketch).message,
    reason: 'failed',
    lane: undefined,
    priority: 50,
    progress: { ship: { status: 'failed', attempts: 1, errors: [failure('no')] } },
    error: undefined,
    worker: 'host 1 checks',
  }
}
