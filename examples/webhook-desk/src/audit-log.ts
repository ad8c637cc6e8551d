import { createHash } from 'node:crypto'

interface AuditEntry {
  readonly delivery: number
  readonly hash: string
}

/**
 * A chain of hashes per lane, so that no entry can be changed or left out unnoticed.
 *
 * A writer reads the head, waits for the disk, and appends. Two at once in a lane would fork the chain; that the lane
 * handles one delivery at a time is what keeps it whole.
 */
export class AuditLog {
  readonly #chains = new Map<string, AuditEntry[]>()

  head(lane: string): string {
    return this.#chains.get(lane)?.at(-1)?.hash ?? ''
  }

  append(lane: string, delivery: number, head: string): void {
    const chain = this.#chains.get(lane) ?? []
    chain.push({ delivery, hash: link(head, delivery) })
    this.#chains.set(lane, chain)
  }

  /** How many entries do not follow from the one before them. */
  get brokenLinks(): number {
    let broken = 0
    for (const chain of this.#chains.values()) {
      chain.forEach(({ delivery, hash }, index) => {
        if (hash !== link(chain[index - 1]?.hash ?? '', delivery)) broken++
      })
    }
    return broken
  }
}

const link = (head: string, delivery: number): string =>
  createHash('sha256').update(`${head}\n${delivery}`).digest('hex')
