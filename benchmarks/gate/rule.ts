import { median } from '../harness/statistics.ts'

/** What one process found of a contest, see `measure` in gate.ts. */
export interface Found {
  readonly ratio: number
  /** Nanoseconds of processor time that the bare loop took per event: the pace of the machine. */
  readonly bareNs: number
}

/** What is stored of a contest: what fresh processes found. */
export interface Stored {
  readonly ratios: readonly number[]
  readonly bareNs: number
}

/** However steady it was: other machines and versions of the engine give other ratios. */
const LEAST_TOLERANCE = 0.3
/** However noisy it was: half the speed is always a loss. */
const MOST_TOLERANCE = 0.42

/**
 * Where the bare loop runs at another pace, processor, caches and memory are others too, and they slow the loop and the bus by
 * different factors: a machine a third as fast found 0.15 for `execute` where 0.23 is stored, with old sources and new ones.
 * There the gate finds only what is lost without doubt.
 */
const OTHER_MACHINE_TOLERANCE = 0.65
const SAME_PACE = 1.15

const isOtherMachine = (stored: Stored, { bareNs }: Found): boolean =>
  bareNs > stored.bareNs * SAME_PACE || bareNs < stored.bareNs / SAME_PACE

/** The share that may be lost: twice what the stored processes differed by, within bounds. */
const toleranceOf = (stored: Stored, found: Found): number => {
  if (isOtherMachine(stored, found)) return OTHER_MACHINE_TOLERANCE
  const { ratios } = stored
  const middle = median(ratios)
  const noise = (2 * (middle - Math.min(...ratios))) / middle
  return Math.min(MOST_TOLERANCE, Math.max(LEAST_TOLERANCE, noise))
}

/** Below this a ratio is a loss beyond noise. */
export const floorOf = (stored: Stored, found: Found): number =>
  median(stored.ratios) * (1 - toleranceOf(stored, found))

export type Verdict = 'kept' | 'measure again' | 'lost'

/**
 * Noise makes things slower, hardly ever faster, and a process that was unlucky (another program, another choice of the compiler)
 * is not one of three. So one process at or above the floor is enough, and only three below it are a loss.
 */
const PROCESSES = 3

export const judge = (stored: Stored, found: readonly Found[]): Verdict => {
  if (found.some((each) => each.ratio >= floorOf(stored, each))) return 'kept'
  return found.length < PROCESSES ? 'measure again' : 'lost'
}
