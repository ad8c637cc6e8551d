import type { StoreSettings } from '@buslane/core'
import { checkNames, invalidArgument, textOf } from './errors.ts'

const DEFAULTS: Omit<StoreSettings, 'heartbeatMs'> = {
  leaseMs: 5_000,
  sweepMs: 1_000,
  pollMs: 1_000,
  batchSize: 500,
  parallelAppends: 2,
  connectMs: 5_000,
  noHandlerAfterMs: 3_600_000,
}

/**
 * The settings with their defaults.
 *
 * @throws {BusError} `INVALID_ARGUMENT`
 */
export const storeSettings = (given: Partial<StoreSettings> = {}): StoreSettings => {
  checkNames('settings', given, [...Object.keys(DEFAULTS), 'heartbeatMs'])
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const { leaseMs } = { ...DEFAULTS, ...defined }
  const settings: StoreSettings = { ...DEFAULTS, heartbeatMs: leaseMs / 3, ...defined }
  for (const [name, value] of Object.entries(settings)) {
    if (!(typeof value === 'number' && value > 0)) {
      throw invalidArgument(`settings.${name} must be a number above 0, not ${textOf(value)}`)
    }
  }
  for (const name of ['batchSize', 'parallelAppends'] as const) {
    if (!Number.isInteger(settings[name])) {
      throw invalidArgument(`settings.${name} must be a whole number, not ${settings[name]}`)
    }
  }
  return settings
}
