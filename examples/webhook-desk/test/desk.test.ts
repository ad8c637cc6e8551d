import { memoryPersistence } from '@buslane/persistence-memory'
import { afterEach, describe, expect, it } from 'vitest'
import { type Delivery, knownFrom, readDeliveries } from '../src/deliveries.ts'
import { Desk } from '../src/desk.ts'
import { expectedDurableFigures, expectedFigures } from '../src/expectation.ts'
import { differences } from '../src/figures.ts'
import { Journal } from '../src/journal.ts'
import { checkOrder } from '../src/order-check.ts'
import { seenDurableFigures, seenFigures } from '../src/outcome.ts'
import { MailServer, type Services } from '../src/services.ts'

const seed = 1
const deliveries = await readDeliveries({ seed, repeat: 1 })
const repository = { full_name: 'octo/repo' }

let mail: MailServer

/** No delays, but the failures of the seed. */
const promptServices: Services = {
  async writeAudit() {},
  async page() {},
  async openIncident() {},
  async informTeam() {},
  async addLabels() {},
  async sendMail(delivery, attempt) {
    mail.accept(delivery, attempt)
  },
}

let desk: Desk
let journal: Journal

interface Opened {
  readonly services?: Services
  readonly followUpAfterMs?: number
  readonly durableDeliveries?: boolean
}

async function openDesk({
  services = promptServices,
  followUpAfterMs = 0,
  durableDeliveries = false,
}: Opened = {}): Promise<void> {
  journal = new Journal()
  mail = new MailServer(seed)
  desk = new Desk({
    concurrency: 100,
    journal,
    services,
    followUpAfterMs,
    persistence: memoryPersistence(),
    durableDeliveries,
    known: knownFrom(deliveries),
  })
  await desk.start(() => {})
}

const handle = async (...deliveries: Delivery[]): Promise<void> => {
  for (const delivery of deliveries) await desk.receive(delivery)
  await desk.done(new AbortController().signal)
}

afterEach(async () => void (await desk.stop(1_000)))

describe('Desk', () => {
  it('handles every real delivery as expected', async () => {
    await openDesk()
    await handle(...deliveries)
    const stored = await desk.stored()
    mail.mend()
    const replayed = await desk.replay(new AbortController().signal)
    const lettersLeft = (await desk.stored()).deadLetters
    const stopReport = await desk.stop(1_000)
    const { runs } = journal
    const violations = checkOrder(runs)
    const seen = seenFigures({ desk, runs, violations, stored, stopReport, refused: 0, replayed, lettersLeft })
    expect(differences(seen, expectedFigures(deliveries, seed))).toEqual([])
  })

  it('stores every delivery once, however often it comes', async () => {
    await openDesk({ durableDeliveries: true })
    await handle(...deliveries.slice(0, 50), ...deliveries)
    const { runs } = journal
    const seen = seenDurableFigures({ runs, violations: checkOrder(runs), stored: await desk.stored(), refused: 0 })
    expect(differences(seen, expectedDurableFigures(deliveries, seed))).toEqual([])
  })

  it('keeps the mails that fail for good as dead letters, and says why', async () => {
    await openDesk()
    await handle(...deliveries)
    const letters = await desk.deadLetters()
    expect(letters).toHaveLength(expectedFigures(deliveries, seed)['dead letters'])
    expect(letters[0]).toMatch(/^notify of github\..+, attempts-exhausted: no mail for delivery \d+: no such mailbox$/)
  })

  it('is done only when a follow-up that is due later has fired', async () => {
    await openDesk({ followUpAfterMs: 50 })
    await handle({
      number: 1,
      event: 'issues',
      body: { action: 'opened', issue: { number: 1, title: 'x' }, repository },
    })
    expect(journal.runs.at(-1)).toMatchObject({ handler: 'follow-up', lane: 'octo/repo', failed: false })
  })

  it('lets the session of a repository page its own people, and the desk everybody else', async () => {
    const paged: string[] = []
    await openDesk({
      services: { ...promptServices, page: async (onCall, summary) => void paged.push(`${onCall}: ${summary}`) },
    })
    const advisory = { severity: 'high', summary: 'django' }
    const alert = { security_advisory: { severity: 'high', summary: 'semver' } }
    await handle(
      { number: 1, event: 'security_advisory', body: { action: 'published', security_advisory: advisory } },
      { number: 2, event: 'dependabot_alert', body: { action: 'created', alert, repository } },
      { number: 3, event: 'dependabot_alert', body: { action: 'fixed', alert, repository } },
    )
    expect(paged.toSorted()).toEqual(['octo/repo: semver', 'the desk: django'])
  })

  it('refuses a body that is not what GitHub sends, and handles the next', async () => {
    await openDesk()
    await expect(desk.receive({ number: 1, event: 'issues', body: { action: 'opened', repository } })).rejects.toThrow(
      /'github.issues' does not fit its schema: .*issue/,
    )
    await handle({
      number: 2,
      event: 'issues',
      body: { action: 'edited', issue: { number: 1, title: 'x' }, repository },
    })
    expect(journal.runs.filter(({ handler }) => handler === 'count').map(({ delivery }) => delivery)).toEqual([2])
  })
})
