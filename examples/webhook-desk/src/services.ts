import { setTimeout as sleep } from 'node:timers/promises'
import { seededFraction } from './seeded.ts'

/** What the desk needs of the world. The methods give up when the signal is aborted. */
export interface Services {
  writeAudit(delivery: number, signal: AbortSignal): Promise<void>
  page(onCall: string, summary: string, signal: AbortSignal): Promise<void>
  openIncident(summary: string, signal: AbortSignal): Promise<void>
  informTeam(summary: string, signal: AbortSignal): Promise<void>
  addLabels(thread: number, signal: AbortSignal): Promise<void>
  /** @throws {MailRefused} */
  sendMail(delivery: number, signal: AbortSignal): Promise<void>
}

/** The mail server had no time for us. */
export class MailRefused extends Error {
  override readonly name = 'MailRefused'
}

/** Whether the simulated mail server refuses the notification of a delivery. */
export const refusesMail = (seed: number, delivery: number): boolean => seededFraction(seed, `mail-${delivery}`) < 0.08

/** Stand-ins with the delays and failures of real services. Yours go here. */
export function simulatedServices(seed: number): Services {
  const between = (least: number, most: number, key: string): number =>
    least + (most - least) * seededFraction(seed, key)
  const wait = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal })
  return {
    writeAudit: (delivery, signal) => wait(between(1, 2, `audit-${delivery}`), signal),
    page: (_onCall, summary, signal) => wait(between(5, 15, `page-${summary}`), signal),
    openIncident: (summary, signal) => wait(between(2, 6, `incident-${summary}`), signal),
    informTeam: (summary, signal) => wait(between(2, 6, `inform-${summary}`), signal),
    addLabels: (thread, signal) => wait(between(2, 6, `labels-${thread}`), signal),
    async sendMail(delivery, signal) {
      await wait(between(3, 16, `delay-${delivery}`), signal)
      if (refusesMail(seed, delivery)) throw new MailRefused(`no mail for delivery ${delivery}: the server is busy`)
    },
  }
}
