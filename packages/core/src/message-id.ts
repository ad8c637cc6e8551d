// UUID version 7 (RFC 9562): 48 bits of milliseconds, a 12 bit counter, 62 random bits that are drawn once per process.
// Method 1 of section 6.2: ids of one process are strictly increasing, also when the clock steps back or more than
// 4,096 are made in one millisecond (the id's clock then runs ahead). Three strings are joined, nothing is formatted
// per id, because every published event pays for this.

const COUNTERS: readonly string[] = Array.from({ length: 4096 }, (_, index) => index.toString(16).padStart(3, '0'))

const randomTail = (): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(8))
  bytes[0] = (bytes[0]! & 0x3f) | 0x80 // the variant bits
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return `-${hex.slice(0, 4)}-${hex.slice(4)}`
}

let tail: string | undefined // drawn at the first id: some edge runtimes allow no randomness while a module loads
let clock = 0
let counter = 0
let head = ''

/** A new message id for a message made at `now` (epoch milliseconds). */
export const messageId = (now: number): string => {
  if (now > clock || counter === 4096) {
    clock = now > clock ? now : clock + 1
    counter = 0
    const hex = Math.floor(clock).toString(16).padStart(12, '0')
    head = `${hex.slice(0, 8)}-${hex.slice(8)}-7`
  }
  return head + COUNTERS[counter++]! + (tail ??= randomTail())
}
