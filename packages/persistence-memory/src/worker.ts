import { ClaimPool } from './claim-pool.ts'
import type { Row } from './stored-row.ts'

/** A worker that nobody has found dead yet. */
export class Worker {
  readonly id: string
  leaseUntil: number
  /** What it has leased. */
  readonly held: Set<Row> = new Set()
  /** What only it may claim, in whatever state. */
  readonly owned: Set<Row> = new Set()
  /** What only it may claim now: its own, and the heads of the lanes that it holds. */
  readonly pool: ClaimPool = new ClaimPool()

  constructor(id: string, leaseUntil: number) {
    this.id = id
    this.leaseUntil = leaseUntil
  }
}
