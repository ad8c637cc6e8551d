import { settle } from './virtual-clock.ts'

/** How a promise stands once everything that waits for nothing but the event loop has happened. */
export const stateOf = async (promise: Promise<unknown>): Promise<'pending' | 'fulfilled' | 'rejected'> => {
  let state: 'pending' | 'fulfilled' | 'rejected' = 'pending'
  promise.then(
    () => (state = 'fulfilled'),
    () => (state = 'rejected'),
  )
  await settle()
  return state
}
