import type { Approvals } from '@buslane/approvals'

/** Asks the user for his yes, one question after another. */
export class ApprovalPrompt {
  readonly #desk: Approvals
  readonly #print: (text: string) => void
  /** Ids of approvals; the first is the one that was asked about. */
  readonly #open: string[] = []

  constructor(desk: Approvals, print: (text: string) => void) {
    this.#desk = desk
    this.#print = print
  }

  /** Asks again about what an earlier process has asked, and got no answer. */
  async resume(): Promise<void> {
    const { entries } = await this.#desk.list({ state: 'pending' })
    for (const { id } of entries) await this.add(id)
  }

  async add(id: string): Promise<void> {
    if (this.#open.includes(id)) return
    this.#open.push(id)
    if (this.#open.length === 1) await this.#ask()
  }

  /** Takes the line as an answer, if there is a question. */
  async answer(line: string): Promise<boolean> {
    const [id] = this.#open
    if (id === undefined) return false
    if (!/^(yes|no)$/i.test(line)) {
      this.#print('Please answer yes or no.\n')
      return true
    }
    const decision = { by: 'the user' }
    await (/yes/i.test(line) ? this.#desk.approve(id, decision) : this.#desk.deny(id, decision))
    await this.drop(id)
    return true
  }

  /** Asks about it no longer: it was decided, or withdrawn. */
  async drop(id: string): Promise<void> {
    const index = this.#open.indexOf(id)
    if (index === -1) return
    this.#open.splice(index, 1)
    if (index === 0) await this.#ask()
  }

  async #ask(): Promise<void> {
    const [id] = this.#open
    if (id === undefined) return
    const approval = await this.#desk.get(id)
    // A request is told at least once: this one may have been decided before the last process was killed.
    if (approval?.state.is !== 'pending') return this.drop(id)
    this.#print(`May I run ${approval.type} ${JSON.stringify(approval.payload)}? (yes/no)\n`)
  }
}
