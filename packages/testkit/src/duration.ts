const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const

/** A length of time: milliseconds, or a number with a unit: `'250ms'`, `'30s'`, `'5m'`, `'1.5h'`, `'3d'`, `'2w'`. */
export type Duration = number | `${number}${keyof typeof UNITS}`

/** The duration in milliseconds. @throws {TypeError} if it is none, is negative, or is not finite. */
export function toMs(duration: Duration): number {
  const [, number = '', unit = 'ms'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(String(duration)) ?? []
  const ms = typeof duration === 'number' ? duration : Number(number || Number.NaN) * UNITS[unit as keyof typeof UNITS]
  if (ms >= 0 && Number.isFinite(ms)) return ms
  throw new TypeError(
    `'${duration}' is no duration: give milliseconds, or a number with one of ${Object.keys(UNITS).join(', ')}`,
  )
}
