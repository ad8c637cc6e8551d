import { invalid, shown } from './errors.ts'

export const isPattern = (type: string): boolean => type.includes('*')

/**
 * Matches dot-separated types: `*` stands for one segment, `**` for any number of them, also none. System events
 * (`buslane.…`) match no pattern.
 */
export const compilePattern = (pattern: string): ((type: string) => boolean) => {
  if (typeof pattern !== 'string' || !/^([^\s.*]+|\*\*?)(\.([^\s.*]+|\*\*?))*$/.test(pattern)) {
    throw invalid(`A pattern is dot-separated words, '*' (one segment) or '**' (any number), not ${shown(pattern)}`)
  }
  const wanted = pattern.split('.')
  return (type) => !type.startsWith('buslane.') && matches(wanted, type.split('.'))
}

/** Greedy, as globs are matched: on a mismatch only the last `**` takes one segment more, so it is never exponential. */
const matches = (wanted: readonly string[], segments: readonly string[]): boolean => {
  let at = 0
  let segment = 0
  let last = -1 // the last `**`
  let taken = 0 // the first segment that it has not taken
  while (segment < segments.length) {
    const want = wanted[at]
    if (want === '**') {
      last = at++
      taken = segment
    } else if (want === '*' || want === segments[segment]) {
      at++
      segment++
    } else if (last >= 0) {
      at = last + 1
      segment = ++taken
    } else {
      return false
    }
  }
  return wanted.slice(at).every((want) => want === '**')
}
