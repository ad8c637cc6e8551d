import { median } from '../harness/statistics.ts'

/** What is stored of a contest: the ratios that fresh processes found, see `ratioOf` in gate.ts. */
export interface Stored {
  readonly ratios: readonly number[]
}

/** However steady it was: other machines and versions of the engine give other ratios. */
const LEAST_TOLERANCE = 0.3
/** However noisy it was: half the speed is always a loss. */
const MOST_TOLERANCE = 0.42

/** The share that may be lost: twice what the stored processes differed by, within bounds. */
const toleranceOf = ({ ratios }: Stored): number => {
  const middle = median(ratios)
  const noise = (2 * (middle - Math.min(...ratios))) / middle
  return Math.min(MOST_TOLERANCE, Math.max(LEAST_TOLERANCE, noise))
}

/** Below this a ratio is a loss beyond noise. */
export const floorOf = (stored: Stored): number => median(stored.ratios) * (1 - toleranceOf(stored))

export type Verdict = 'kept' | 'measure again' | 'lost'

/**
 * Noise makes things slower, hardly ever faster, and a process that was unlucky (another program, another choice of the compiler)
 * is not one of three. So one process at or above the floor is enough, and only three below it are a loss.
 */
const PROCESSES = 3

export const judge = (stored: Stored, found: readonly number[]): Verdict => {
  if (found.some((ratio) => ratio >= floorOf(stored))) return 'kept'
  return found.length < PROCESSES ? 'measure again' : 'lost'
}
