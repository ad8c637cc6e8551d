import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import type { JournalSink, Run } from './journal.ts'

/** A line of the file. Only ever appended; what a process wrote before it was killed is there. */
type Line =
  | { readonly note: 'feed'; readonly feed: string }
  | { readonly note: 'process'; readonly pid: number }
  | { readonly note: 'start'; readonly pid: number; readonly run: number; readonly facts: Run }
  | { readonly note: 'end'; readonly pid: number; readonly run: number; readonly at: number; readonly failed: boolean }
  | { readonly note: 'settled'; readonly pid: number; readonly event: string }
  | { readonly note: 'stopped'; readonly pid: number }

/** Appends what one process does. Each note is handed to the system before the handler goes on. */
export class JournalWriter implements JournalSink {
  readonly #descriptor: number
  readonly #numbers = new Map<Run, number>()
  #count = 0

  constructor(file: string) {
    this.#descriptor = openSync(file, 'a')
    this.#write({ note: 'process', pid: process.pid })
  }

  started(run: Run): void {
    this.#numbers.set(run, ++this.#count)
    this.#write({ note: 'start', pid: process.pid, run: this.#count, facts: run })
  }

  ended(run: Run): void {
    const { endedAt = 0, failed } = run
    this.#write({ note: 'end', pid: process.pid, run: this.#numbers.get(run)!, at: endedAt, failed })
    this.#numbers.delete(run)
  }

  /** The bus has said that the event is done with, which for a stored event means: committed. */
  settled(event: string): void {
    this.#write({ note: 'settled', pid: process.pid, event })
  }

  /** The process ends as it should. Without this line it was killed. */
  stopped(): void {
    this.#write({ note: 'stopped', pid: process.pid })
    closeSync(this.#descriptor)
  }

  #write(line: Line): void {
    writeSync(this.#descriptor, `${JSON.stringify(line)}\n`)
  }
}

/** Follows the file while others append to it. */
export class JournalReader {
  readonly runs: Run[] = []
  /** The deliveries whose last handler has ended. */
  readonly handled: Set<number> = new Set()
  /** The runs that started after their event was settled. There should be none. */
  readonly afterSettled: Run[] = []
  readonly #descriptor: number
  readonly #stopped: boolean[] = []
  readonly #processes = new Map<number, number>()
  readonly #open = new Map<string, Run>()
  readonly #settled = new Set<string>()
  readonly #chunk = Buffer.alloc(1 << 16)
  #offset = 0
  #rest = ''
  #feed: string | undefined

  constructor(file: string) {
    this.#descriptor = openSync(file, 'a+')
  }

  /** The processes that did not end as they should. */
  get killed(): ReadonlySet<number> {
    return new Set(this.#stopped.flatMap((stopped, process) => (stopped ? [] : process)))
  }

  /** What the journal is about; the first to ask decides. */
  feed(wanted: string): string {
    this.read()
    if (this.#feed === undefined) writeSync(this.#descriptor, `${JSON.stringify({ note: 'feed', feed: wanted })}\n`)
    return this.#feed ?? wanted
  }

  /** Reads what was appended since. */
  read(): void {
    for (let length = this.#more(); length > 0; length = this.#more()) {
      const lines = (this.#rest + this.#chunk.toString('latin1', 0, length)).split('\n')
      this.#rest = lines.pop()!
      // Split as bytes, since a chunk may end within a character.
      for (const line of lines) this.#take(JSON.parse(Buffer.from(line, 'latin1').toString()) as Line)
    }
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #more(): number {
    const length = readSync(this.#descriptor, this.#chunk, 0, this.#chunk.length, this.#offset)
    this.#offset += length
    return length
  }

  #take(line: Line): void {
    switch (line.note) {
      case 'feed':
        this.#feed ??= line.feed
        break
      case 'process':
        this.#processes.set(line.pid, this.#stopped.push(false) - 1)
        break
      case 'start': {
        const run: Run = { ...line.facts, process: this.#processOf(line.pid), endedAt: undefined }
        this.runs.push(run)
        this.#open.set(`${run.process} ${line.run}`, run)
        if (this.#settled.has(run.messageId)) this.afterSettled.push(run)
        break
      }
      case 'end': {
        const run = this.#open.get(`${this.#processOf(line.pid)} ${line.run}`)!
        run.endedAt = line.at
        run.failed = line.failed
        if (run.handler === 'count') this.handled.add(run.delivery!)
        break
      }
      case 'settled':
        this.#settled.add(line.event)
        break
      case 'stopped':
        this.#stopped[this.#processOf(line.pid)] = true
        break
    }
  }

  #processOf(pid: number): number {
    return this.#processes.get(pid)!
  }
}
