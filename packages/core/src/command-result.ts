import { type BusError, invalid, shown } from './errors.ts'

/** What `execute` resolves with: it never rejects. Narrow by `success`, or {@link unwrap} it. */
export type CommandResult<Value> =
  | {
      readonly success: true
      readonly commandId: string
      readonly value: Value
      /** How often the handler ran. */
      readonly attempts: number
    }
  | {
      readonly success: false
      readonly commandId: string
      /** What went wrong; for `HANDLER_FAILED`, `cause` is what the handler threw. */
      readonly error: BusError
      /** How often the handler ran; 0 if it was never called. */
      readonly attempts: number
    }

/**
 * The value of a successful result. Throws what the handler threw, or else the result's error.
 *
 * @throws {BusError} `INVALID_ARGUMENT` for what is no result, such as the promise of one.
 * @example
 * const Add = defineCommand<{ a: number; b: number }, number>('math.add')
 * await using bus = createBus()
 * bus.handle(Add, ({ payload }) => payload.a + payload.b)
 * unwrap(await bus.execute(Add({ a: 1, b: 2 }))) // => 3
 */
export const unwrap = <Value>(result: CommandResult<Value>): Value => {
  if (typeof result?.success !== 'boolean') {
    throw invalid(`unwrap() takes what execute() resolves with, not ${shown(result)}: unwrap(await bus.execute(...))`)
  }
  if (result.success) return result.value
  const { code, cause } = result.error
  // oxlint-disable-next-line only-throw-error -- whatever the handler threw is thrown again
  throw code === 'HANDLER_FAILED' && cause !== undefined ? cause : result.error
}
