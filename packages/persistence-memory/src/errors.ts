import { BusError } from '@buslane/core'

export const invalidArgument = (message: string): BusError =>
  new BusError('INVALID_ARGUMENT', message, { retryable: false })

export const leaseLost = (key: string): BusError =>
  new BusError('LEASE_LOST', `Event ${key} was given to another worker before the transaction was committed`, {
    retryable: false,
  })

export const transactionLost = (): BusError =>
  new BusError('PERSISTENCE_UNAVAILABLE', 'The store was restored while the transaction was open', { retryable: true })
