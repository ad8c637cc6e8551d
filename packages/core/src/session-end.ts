import type { Engine } from './engine.ts'
import { BusError, describe } from './errors.ts'
import { chainOf, type HandlerCall } from './handler-call.ts'
import type { EndSessionOptions, SessionState } from './session.ts'
import { errorData, SessionEnded } from './system-events.ts'

/** Ends a session (R-SES-1); ending twice gives the same promise. `call` is the handler that ends it, if one does. */
export const endSession = (
  engine: Engine,
  session: SessionState,
  options: EndSessionOptions,
  call: HandlerCall | undefined,
): Promise<void> => {
  if (session.status === 'ended') return session.ending!
  if (options.abort) abortSession(engine, session, call)
  if (session.ending === undefined) return (session.ending = end(engine, session, options, call))
  // Somebody else ends it already, and must not wait for the handler that now waits for that.
  const held = call && engine.quiescence.wait({ call, held: true })
  return session.ending.finally(() => held?.cancel())
}

const end = async (
  engine: Engine,
  session: SessionState,
  { schedules = 'cancel', error }: EndSessionOptions,
  call: HandlerCall | undefined,
): Promise<void> => {
  const { id } = session
  const cancel = async (): Promise<void> => {
    if (schedules !== 'cancel') return
    for (const scheduled of session.schedules) engine.scheduler.cancel(scheduled)
    await session.storedSchedules.cancel()
  }
  session.status = 'ending'
  engine.intake.refuseBlocked(new BusError('SESSION_ENDED', `Session '${id}' is ending and takes nothing new`), session)
  const cancelled = cancel()
  await engine.quiescence.wait({ session, call }).done
  await cancelled
  await cancel() // what handlers that were still finishing scheduled
  try {
    engine.routing.unregisterSession(id)
  } catch (failure) {
    engine.logger.error({ error: failure }, `The registry failed to forget session '${id}': ${describe(failure)}`)
  }
  session.status = 'ended'
  session.storedSchedules.isOver = schedules === 'cancel'
  engine.sessions.delete(id)
  session.controller.abort(new BusError('SESSION_ENDED', `Session '${id}' has ended`))
  if (engine.observers.any) engine.observers.tell('sessionEnded', id)
  engine.emit(SessionEnded, id, { sessionId: id, ...(error !== undefined && { error: errorData(error) }) })
}

/** Drops what waits and aborts what runs, but for the handler that ends the session and those that wait for it. */
const abortSession = (engine: Engine, session: SessionState, call: HandlerCall | undefined): void => {
  const { id } = session
  const { intake, lanes, executing } = engine
  const error = new BusError('SESSION_ENDED', `Session '${id}' was ended with abort`)
  const chain = chainOf(call)
  intake.refuseBlocked(error, session)
  for (const delivery of lanes.waiting()) {
    if (delivery.session !== session || delivery.lease) continue
    intake.remove(delivery, 'dropped')
    delivery.waiter?.reject(error)
    engine.refused(delivery, 'dropped', error)
  }
  for (const dispatch of lanes.active) {
    const { delivery } = dispatch
    if (delivery?.session === session && !chain.has(delivery)) dispatch.cut('aborted', error)
  }
  for (const command of executing.running) {
    if (command.message.sessionId === id && !chain.has(command)) command.more?.end?.(error)
  }
  engine.checkQuiet()
}
