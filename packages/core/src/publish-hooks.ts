import type { Delivery } from './delivery.ts'
import { isBusError } from './errors.ts'
import { copyMessage } from './message.ts'
import type { Middleware, PublishNext } from './middleware.ts'
import type { PublishReceipt } from './options.ts'
import type { OfferVerb } from './publish-options.ts'
import { isThenable, noop, settled } from './thenable.ts'

type Eventually<T> = T | Promise<T>

/** What the publish middleware of one event stands around. */
interface Inside<Result> {
  readonly verb: OfferVerb
  /** Accepts the event, or throws why not. `late`: time has passed since it was offered. */
  enter(late: boolean): Eventually<Result>
  /** No middleware called `next`: the event is filtered. */
  turnAway(): Result
  refuse(error: unknown): never
  /** The middleware has not answered yet. */
  wait(answer: Promise<Result>): Promise<Result>
  unheard(error: unknown): void
}

/** What has become of the event so far. */
type Fate<Result> = { readonly result: Eventually<Result> } | { readonly refused: unknown } | 'turned away' | undefined

/** Runs the publish middleware. Once the innermost `next` was called the event is accepted, whatever happens after. */
export const runPublishHooks = <Result>(
  hooks: readonly NonNullable<Middleware['publish']>[],
  delivery: Delivery,
  inside: Inside<Result>,
): Eventually<Result> => {
  const { id } = delivery.message
  let fate: Fate<Result>
  let late = false
  const enter = (): void => {
    if (fate !== undefined) return
    try {
      fate = { result: inside.enter(late) }
    } catch (error) {
      fate = { refused: error }
      throw error
    }
  }
  const step = (index: number): unknown => {
    const hook = hooks[index]
    if (hook === undefined) return enter()
    const next: PublishNext = async ({ metadata } = {}) => {
      if (metadata && fate === undefined) {
        delivery.message = copyMessage(delivery.message, { metadata: { ...delivery.message.metadata, ...metadata } })
      }
      await step(index + 1)
      if (typeof fate !== 'object' || 'refused' in fate) return { id, status: 'filtered', durability: 'memory' }
      if (inside.verb === 'publish') return (await fate.result) as PublishReceipt
      return { id, status: 'accepted', durability: 'memory' }
    }
    return hook(delivery.message, (changes) => {
      const receipt = next(changes)
      receipt.catch(noop) // the publisher gets it
      return receipt
    })
  }
  const finish = (): Eventually<Result> => {
    if (typeof fate === 'object') {
      if ('refused' in fate) throw fate.refused
      return fate.result
    }
    fate = 'turned away'
    return inside.turnAway()
  }
  const fail = (error: unknown): Eventually<Result> => {
    if (typeof fate === 'object') {
      if ('result' in fate && !isBusError(error)) inside.unheard(error)
      return finish()
    }
    fate = 'turned away'
    return inside.refuse(error)
  }
  let answer: unknown
  try {
    answer = step(0)
  } catch (error) {
    return fail(error)
  }
  late = true
  if (!isThenable(answer)) return finish()
  const answered = settled(answer, finish, fail)
  if (typeof fate !== 'object') return inside.wait(answered)
  answered.catch(noop)
  return finish()
}
