import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'

/** Which run of which handler a line of the journal is about. */
export interface RunFacts {
  readonly event: string
  /** The lane of the event, and its place in it: lower goes first. */
  readonly lane: string
  readonly seq: number
  readonly handler: string
  /** The priority of the handler: lower runs first. */
  readonly group: number
  readonly attempt: number
}

/** What is written, beside who wrote it. */
export type JournalNote =
  | ({ readonly at: 'start' } & RunFacts)
  | ({ readonly at: 'end' } & RunFacts)
  /** The handler failed; `final`: it will not run again. */
  | ({ readonly at: 'fail'; readonly final: boolean } & RunFacts)
  /** The store has answered that these handlers of the event are done; `undefined`: all of them. */
  | { readonly at: 'saved'; readonly event: string; readonly handlers: readonly string[] | undefined }
  /** The store has answered that somebody else has the event. */
  | { readonly at: 'lost'; readonly event: string }
  /** The process `victim` is dead for sure. */
  | { readonly at: 'killed'; readonly victim: number }

export type JournalLine = JournalNote & { readonly pid: number }

/**
 * What happened, in one file that many processes append to and that outlives them. *Order*: that of the file is that of the writes,
 * in all processes, since each line is one append. *Durability*: a line that was written survives the death of the process; with
 * `sync` (the default) also that of the machine, which costs a flush of the disk per line.
 */
export class Journal {
  readonly file: string
  readonly #descriptor: number
  readonly #sync: boolean

  constructor(file: string, { sync = true }: { readonly sync?: boolean } = {}) {
    this.file = file
    this.#descriptor = openSync(file, 'a')
    this.#sync = sync
  }

  write(note: JournalNote): void {
    writeSync(this.#descriptor, `${JSON.stringify({ ...note, pid: process.pid })}\n`)
    if (this.#sync) fsyncSync(this.#descriptor)
  }

  read(): readonly JournalLine[] {
    return readFileSync(this.file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as JournalLine)
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}
