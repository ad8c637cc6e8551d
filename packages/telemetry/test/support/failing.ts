import type { HandlerContext } from '@buslane/core'

export const fail = (): never => {
  throw new Error('no')
}

/** A handler that succeeds from its `succeedsAt`th attempt on. */
export const failingUntil =
  (succeedsAt: number) =>
  (_message: unknown, { attempt }: HandlerContext): void => {
    if (attempt < succeedsAt) fail()
  }
