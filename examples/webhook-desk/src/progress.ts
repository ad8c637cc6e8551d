/** The part of `process.stdout` that is used. */
interface Output {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

const REDRAW_MS = 50
const PLAIN_LINES = 4

/** A bar on a terminal; elsewhere a line for every quarter. */
export class Progress {
  #done = 0
  #drawnAt = -Infinity
  readonly #total: number
  readonly #output: Output

  constructor(total: number, output: Output) {
    this.#total = total
    this.#output = output
  }

  /** So many were done before. */
  startAt(done: number): void {
    this.#done = done
  }

  /** One more is done. */
  step(): void {
    this.to(this.#done + 1)
  }

  /** So many are done. */
  to(done: number): void {
    const before = this.#done
    if (done <= before) return
    this.#done = done
    if (!this.#output.isTTY) return this.#writeLine(before)
    const now = performance.now()
    if (now - this.#drawnAt < REDRAW_MS && this.#done < this.#total) return
    this.#drawnAt = now
    this.#output.write(`\r${this.#bar()}`)
  }

  /** Leaves the line to what is printed next. */
  end(): void {
    if (this.#output.isTTY) this.#output.write(`\r${this.#bar()}\n`)
  }

  #bar(): string {
    const text = ` ${this.#counted()}`
    // A terminal of unknown size says 0.
    const width = Math.max(0, Math.min(this.#output.columns || 80, 80) - text.length - 3)
    const filled = Math.round((width * this.#done) / this.#total)
    return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}]${text}`
  }

  #writeLine(before: number): void {
    const quarter = (done: number): number => Math.floor((PLAIN_LINES * done) / this.#total)
    if (quarter(this.#done) > quarter(before)) this.#output.write(`${this.#counted()} deliveries\n`)
  }

  #counted(): string {
    const total = String(this.#total)
    const percent = Math.floor((100 * this.#done) / this.#total)
    return `${String(this.#done).padStart(total.length)} of ${total} ${String(percent).padStart(3)}%`
  }
}
