import { setTimeout as sleep } from 'node:timers/promises'
import { seededFraction } from './seeded.ts'

/** What the desk needs of the world. The methods give up when the signal is aborted. */
export interface Services {
  writeAudit(delivery: number, signal: AbortSignal): Promise<void>
  page(onCall: string, summary: string, signal: AbortSignal): Promise<void>
  openIncident(summary: string, signal: AbortSignal): Promise<void>
  informTeam(summary: string, signal: AbortSignal): Promise<void>
  addLabels(thread: number, signal: AbortSignal): Promise<void>
  /** `attempt`: from 1. @throws {MailRefused} */
  sendMail(delivery: number, attempt: number, signal: AbortSignal): Promise<void>
}

/** The mail server had no time for us, or no mailbox for the subscriber. */
export class MailRefused extends Error {
  override readonly name = 'MailRefused'
}

/** What goes wrong with the notification of a delivery: the server is busy once, or it has no such mailbox until that is mended. */
export type MailTrouble = 'none' | 'busy' | 'no mailbox'

export function mailTrouble(seed: number, delivery: number): MailTrouble {
  if (seededFraction(seed, `mail-${delivery}`) >= 0.08) return 'none'
  return seededFraction(seed, `mailbox-${delivery}`) < 0.2 ? 'no mailbox' : 'busy'
}

/** A mail server whose missing mailboxes can be mended. */
export class MailServer {
  #mended = false
  readonly #seed: number

  constructor(seed: number) {
    this.#seed = seed
  }

  /** @throws {MailRefused} */
  accept(delivery: number, attempt: number): void {
    const trouble = mailTrouble(this.#seed, delivery)
    if (trouble === 'busy' && attempt === 1)
      throw new MailRefused(`no mail for delivery ${delivery}: the server is busy`)
    if (trouble === 'no mailbox' && !this.#mended)
      throw new MailRefused(`no mail for delivery ${delivery}: no such mailbox`)
  }

  /** Somebody makes the mailboxes. */
  mend(): void {
    this.#mended = true
  }
}

/** Stand-ins with the delays and failures of real services. Yours go here. */
export function simulatedServices(seed: number, mail: MailServer = new MailServer(seed)): Services {
  const between = (least: number, most: number, key: string): number =>
    least + (most - least) * seededFraction(seed, key)
  const wait = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal })
  return {
    writeAudit: (delivery, signal) => wait(between(1, 2, `audit-${delivery}`), signal),
    page: (_onCall, summary, signal) => wait(between(5, 15, `page-${summary}`), signal),
    openIncident: (summary, signal) => wait(between(2, 6, `incident-${summary}`), signal),
    informTeam: (summary, signal) => wait(between(2, 6, `inform-${summary}`), signal),
    addLabels: (thread, signal) => wait(between(2, 6, `labels-${thread}`), signal),
    async sendMail(delivery, attempt, signal) {
      await wait(between(3, 16, `delay-${delivery}`), signal)
      mail.accept(delivery, attempt)
    },
  }
}
