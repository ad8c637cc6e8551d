/** How much is measured: `quick` only shows that everything runs, its figures mean nothing. */
export type Scale = 'quick' | 'normal' | 'full'

/** What a task is told. It crosses a process boundary, so it is plain data. */
export interface Setting {
  readonly scale: Scale
  /** Rounds that count, beside those that warm up. */
  readonly rounds: number
  /** A Postgres server, for sections that need one. */
  readonly databaseUrl?: string | undefined
  /** A Redis server, if one was found. */
  readonly redisUrl?: string | undefined
}

/** `ns`, `bytes`: of one operation. `per second`: operations. `times`: a share without a unit. */
export type Unit = 'ns' | 'per second' | 'ms' | 's' | 'bytes' | 'count' | 'times'

interface Found {
  /** What is measured, in the words of the tables. */
  readonly contest: string
  /** What the other side does not do, or under which condition the figure holds. */
  readonly caveat?: string | undefined
}

/** Two sides that took turns in one process: a ratio per round. */
export interface Duel extends Found {
  readonly kind: 'duel'
  /** Whose figures are called ours; Buslane unless it says otherwise. */
  readonly side?: string | undefined
  readonly rival: string
  readonly unit: 'ns' | 'per second'
  readonly ours: readonly number[]
  readonly theirs: readonly number[]
  /** The ratio must be at least that. */
  readonly goal?: number | undefined
}

/** One side alone: sizes, latencies, counts. */
export interface Figure extends Found {
  readonly kind: 'figure'
  readonly of: string
  readonly unit: Unit
  readonly values: readonly number[]
  /** The median must be at most that. */
  readonly goal?: number | undefined
}

/** How a cost grows with something else: a plot. */
export interface Curve extends Found {
  readonly kind: 'curve'
  /** What grows: the horizontal axis. */
  readonly axis: string
  readonly unit: 'ns'
  readonly points: readonly { readonly at: number; readonly values: readonly number[] }[]
  /** The cost at the largest size, divided by that at the smallest, must be at most that. */
  readonly goal?: number | undefined
}

/** What could not be measured here, and why. */
interface Skipped extends Found {
  readonly kind: 'skipped'
  readonly of: string
  readonly reason: string
}

export type Result = Duel | Figure | Curve | Skipped

/** What is measured in a process of its own: what a process did before changes what the engine makes of the code. */
export interface Task {
  readonly name: string
  readonly nodeOptions?: readonly string[] | undefined
  measure(setting: Setting): Promise<readonly Result[]>
}

/** A part of the benchmarks that can be run by its name. */
export interface Section {
  readonly name: string
  readonly title: string
  /** What is compared, and how; printed above the table. */
  readonly about: string
  /** Rounds of each scale, unless the caller says otherwise. */
  readonly rounds: Readonly<Record<Scale, number>>
  readonly needsDatabase?: boolean | undefined
  tasks(scale: Scale): readonly Task[]
}
