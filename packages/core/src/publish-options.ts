import type { Clock } from './clock.ts'
import { BusError, describe, invalid } from './errors.ts'
import type { PublishAndWaitOptions, PublishOptions, ScheduleOptions } from './options.ts'
import { readWhen } from './scheduler.ts'

export type OfferVerb = 'publish' | 'publishAndWait' | 'schedule'
export type OfferOptions = PublishOptions & PublishAndWaitOptions & Partial<ScheduleOptions>

/**
 * Refuses what cannot be done, with the option's name.
 *
 * @throws {BusError} `INVALID_ARGUMENT`, `PERSISTENCE_UNAVAILABLE`
 */
export const checkOffer = (
  verb: OfferVerb,
  type: string,
  options: OfferOptions,
  durable: boolean,
  clock: Clock,
): void => {
  if (options.priority !== undefined) requirePriority(options.priority, `publish '${type}'`)
  requireDuration(options.timeoutMs, 'timeoutMs')
  if (verb === 'schedule') readWhen(options, clock)
  const wants = (['transaction', 'idempotencyKey', 'expiresInMs'] as const).find((name) => options[name] !== undefined)
  const stored = verb === 'schedule' ? options.durability === 'required' : (options.durable ?? durable)
  if (!wants && !stored) return
  throw new BusError(
    'PERSISTENCE_UNAVAILABLE',
    `'${type}' needs a store ${wants ? `for ${wants}` : 'because it is durable'}, and this bus has none. ` +
      'Publish it without, or add a persistence package',
  )
}

export const requirePriority = (priority: unknown, what: string): void => {
  if (typeof priority === 'number' && Number.isFinite(priority)) return
  throw invalid(`To ${what}, priority must be a finite number (lower runs first), not ${describe(priority)}`)
}

export const requireDuration = (value: unknown, name: string): void => {
  if (value === undefined || (typeof value === 'number' && value >= 0)) return
  throw invalid(`${name} must be a number of milliseconds from 0, not ${describe(value)}`)
}
