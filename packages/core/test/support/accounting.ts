import type { Bus, BusStats } from '../../src/index.ts'

/** How far the count of R-Q-2 is off: `offered` less all that became of what was offered. It must be 0, always. */
export const imbalance = (stats: BusStats): number => {
  const { offered, settled, running, waiting, blocked, dropped, rejected, filtered, leftAtStop } = stats
  return offered - settled - running - waiting - blocked - dropped - rejected - filtered - leftAtStop
}

/** Looks at the count whenever the bus tells an observer of anything, and keeps where it was off. */
export const watchAccounting = (
  bus: Bus,
): { readonly looks: () => number; readonly off: string[]; readonly check: (at: string) => void } => {
  const off: string[] = []
  let looks = 0
  const check = (at: string): void => {
    looks++
    const stats = bus.stats()
    const wrong = imbalance(stats) !== 0 || Object.values(stats).some((value) => typeof value === 'number' && value < 0)
    off.push(...(wrong ? [`${at}: ${JSON.stringify(stats)}`] : []))
  }
  bus.observe({
    eventAccepted: () => check('eventAccepted'),
    eventRefused: (_event, { reason }) => check(`eventRefused ${reason}`),
    eventStarted: () => check('eventStarted'),
    handlerStarted: () => check('handlerStarted'),
    attemptFailed: () => check('attemptFailed'),
    handlerSettled: () => check('handlerSettled'),
    eventSettled: () => check('eventSettled'),
    commandStarted: () => check('commandStarted'),
    commandSettled: () => check('commandSettled'),
    sessionStarted: () => check('sessionStarted'),
    sessionEnded: () => check('sessionEnded'),
    backpressureChanged: () => check('backpressureChanged'),
  })
  return { looks: () => looks, off, check }
}
