import { type AddedOptions, BOOLEAN, checkOptions, DURATION, type Kinds, PRIORITY, SIGNAL, TEXT } from './check.ts'
import type { Clock } from './clock.ts'
import { BusError, invalid } from './errors.ts'
import type { PublishAndWaitOptions, PublishOptions, ScheduleOptions } from './options.ts'
import { readWhen } from './scheduler.ts'

export type OfferVerb = 'publish' | 'publishAndWait' | 'schedule'
export type OfferOptions = PublishOptions & PublishAndWaitOptions & Partial<ScheduleOptions>

/** Whether an event goes through the store: never, if that is possible, or always. */
export type Keeping = 'memory' | 'preferred' | 'stored'

const STORED: Kinds = { transaction: 'anything', idempotencyKey: TEXT }
const PUBLISH: Kinds = { durable: BOOLEAN, priority: PRIORITY, ...SIGNAL, ...STORED }

const KINDS: Readonly<Record<OfferVerb, Kinds>> = {
  publish: { ...PUBLISH, expiresInMs: DURATION },
  publishAndWait: { ...PUBLISH, timeoutMs: DURATION },
  schedule: {
    at: 'anything',
    delayMs: 'anything',
    priority: PRIORITY,
    durability: ['preferred', 'required'],
    ...STORED,
  },
}

/**
 * Refuses what cannot be done, with the option's name, and answers where the event is kept.
 *
 * @throws {BusError} `INVALID_ARGUMENT`, `PERSISTENCE_UNAVAILABLE`
 */
export const checkOffer = (
  verb: OfferVerb,
  type: string,
  options: OfferOptions,
  durable: boolean,
  { clock, store, added }: { readonly clock: Clock; readonly store: object | undefined; readonly added: AddedOptions },
): Keeping => {
  checkOptions(verb, options, KINDS[verb], added)
  if (verb === 'schedule') readWhen(options, clock)
  const { idempotencyKey: key } = options
  if (key !== undefined && verb === 'publishAndWait') {
    throw invalid('publishAndWait takes no idempotencyKey: of a duplicate there is nothing to wait for. Use publish')
  }
  const wants = NEED_A_STORE.find((name) => options[name] !== undefined)
  const stored = verb === 'schedule' ? options.durability === 'required' : (options.durable ?? durable)
  if (!wants && !stored) return verb === 'schedule' && store !== undefined ? 'preferred' : 'memory'
  if (store === undefined) {
    throw new BusError(
      'PERSISTENCE_UNAVAILABLE',
      `'${type}' needs a store ${wants ? `for ${wants}` : 'because it is durable'}, and this bus has none. ` +
        'Publish it without, or add a persistence package: createBus({ persistence })',
    )
  }
  if (verb === 'publishAndWait' && options.transaction !== undefined) {
    throw invalid('publishAndWait in a transaction would wait for a commit that it prevents. Use publish')
  }
  if (!stored && verb !== 'schedule') {
    throw invalid(`${wants} is for durable events, and '${type}' stays in memory. Publish it with { durable: true }`)
  }
  return 'stored'
}

const NEED_A_STORE = ['transaction', 'idempotencyKey', 'expiresInMs'] as const
