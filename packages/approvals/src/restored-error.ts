import { BusError, type StoredError } from '@buslane/core'

/** An error again, of one that was kept as plain data. */
export const restoredError = ({ name, message, code, stack, cause }: StoredError): Error => {
  const options = cause === undefined ? {} : { cause: restoredError(cause) }
  const error = code === undefined ? new Error(message, options) : new BusError(code, message, options)
  if (name !== error.name) Object.defineProperty(error, 'name', { value: name, configurable: true })
  if (stack !== undefined) Object.defineProperty(error, 'stack', { value: stack, configurable: true })
  return error
}
