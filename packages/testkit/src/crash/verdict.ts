import type { JournalLine, RunFacts } from './journal.ts'

/** What should have happened. */
export interface Expected {
  /** Ids of all events that were accepted. */
  readonly events: Iterable<string>
  /** The handlers of each event. */
  readonly handlers: readonly { readonly name: string; readonly priority: number }[]
  /** Ids of the events in the dead letters. */
  readonly dead: ReadonlySet<string>
  /** Lanes that each process orders for itself only. */
  readonly lanesByProcess?: ReadonlySet<string>
}

/** A handler that ran for an event although it had begun before, and not because it had failed. */
export interface Duplicate {
  readonly event: string
  readonly handler: string
  /** `killed`, `lease-lost`: the run before was cut short, or ended and nothing of that was saved. `unexplained`: a fault. */
  readonly why: 'killed' | 'lease-lost' | 'unexplained'
}

/** What the journal says. Empty lists are good. */
export interface Verdict {
  readonly events: number
  readonly runs: number
  /** Neither handled by all handlers nor in the dead letters. */
  readonly lost: readonly string[]
  /** One line of text for each rule that was broken. */
  readonly violations: readonly string[]
  readonly duplicates: readonly Duplicate[]
  /** Most starts of one handler for one event. */
  readonly mostRuns: number
}

type Run = RunFacts & {
  readonly pid: number
  state: 'open' | 'cut' | 'ended' | 'failed' | 'final'
  leaseLost: boolean
}
type Named<Kind extends JournalLine['at']> = Extract<JournalLine, { readonly at: Kind }>

const settled = (run: Run | undefined): boolean => run?.state === 'ended' || run?.state === 'final'

/** Reads a journal from the first line to the last, and checks each start against all that came before it. */
export function judge(lines: readonly JournalLine[], expected: Expected): Verdict {
  const reading = new Reading(expected)
  for (const line of lines) reading.take(line)
  return reading.verdict()
}

class Reading {
  readonly #expected: Expected
  /** The last run of each handler, by event. */
  readonly #runs = new Map<string, Map<string, Run>>()
  readonly #counts = new Map<string, number>()
  readonly #saved = new Set<string>()
  readonly #lanes = new Map<string, Map<string, RunFacts>>()
  readonly #highest = new Map<string, number>()
  readonly #open = new Map<number, Set<Run>>()
  readonly #violations: string[] = []
  readonly #duplicates: Duplicate[] = []
  #total = 0

  constructor(expected: Expected) {
    this.#expected = expected
  }

  take(line: JournalLine): void {
    if (line.at === 'start') this.#start(line)
    else if (line.at === 'end' || line.at === 'fail') this.#end(line)
    else if (line.at === 'saved') this.#save(line)
    else if (line.at === 'killed') this.#kill(line.victim)
    else for (const run of this.#runs.get(line.event)?.values() ?? []) if (run.pid === line.pid) run.leaseLost = true
  }

  verdict(): Verdict {
    const { events, dead, handlers } = this.#expected
    const all = [...events]
    const handled = (event: string): boolean =>
      handlers.every(({ name }) => this.#runs.get(event)?.get(name)?.state === 'ended')
    return {
      events: all.length,
      runs: this.#total,
      lost: all.filter((event) => !dead.has(event) && !handled(event)),
      violations: this.#violations,
      duplicates: this.#duplicates,
      mostRuns: Math.max(0, ...this.#counts.values()),
    }
  }

  #start(line: Named<'start'>): void {
    this.#total += 1
    const { event, handler, pid } = line
    const runs = this.#runs.get(event) ?? new Map<string, Run>()
    this.#runs.set(event, runs)
    const before = runs.get(handler)
    if (before) this.#again(before, line)
    this.#checkGroups(runs, line)
    this.#checkLane(line)
    const run: Run = { ...line, state: 'open', leaseLost: false }
    runs.set(handler, run)
    const open = this.#open.get(pid) ?? new Set()
    this.#open.set(pid, open.add(run))
    const id = `${event} ${handler}`
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1)
  }

  #again(before: Run, line: Named<'start'>): void {
    const { event, handler } = line
    if (before.state === 'failed') return
    const saved = this.#saved.has(`${event} ${handler}`)
    if (saved) this.#violate(line, 'runs again although its end was saved')
    if (before.state === 'open' && !before.leaseLost) this.#violate(line, `overlaps its run in process ${before.pid}`)
    const killed = before.state === 'cut' || !this.#open.has(before.pid)
    const why = saved ? 'unexplained' : killed ? 'killed' : before.leaseLost ? 'lease-lost' : 'unexplained'
    this.#duplicates.push({ event, handler, why })
  }

  /** A group starts only when every handler of every earlier one has settled. */
  #checkGroups(runs: ReadonlyMap<string, Run>, line: Named<'start'>): void {
    for (const { name, priority } of this.#expected.handlers) {
      if (priority < line.group && !settled(runs.get(name))) this.#violate(line, `starts before ${name} has settled`)
    }
  }

  #checkLane(line: Named<'start'>): void {
    const { event, lane, seq, pid } = line
    if (this.#expected.lanesByProcess?.has(lane)) {
      for (const run of this.#open.get(pid) ?? []) {
        if (run.lane === lane && run.event !== event && run.state === 'open')
          this.#violate(line, `overlaps ${run.event}`)
      }
      return
    }
    const begun = this.#lanes.get(lane) ?? new Map<string, RunFacts>()
    this.#lanes.set(lane, begun)
    for (const other of begun.keys()) {
      if (other === event) continue
      if (this.#isOver(other)) begun.delete(other)
      else this.#violate(line, `starts while ${other} of its lane is not over`)
    }
    begun.set(event, line)
    const highest = this.#highest.get(lane) ?? -Infinity
    if (seq < highest) this.#violate(line, `starts after number ${highest} of its lane`)
    this.#highest.set(lane, Math.max(highest, seq))
  }

  #isOver(event: string): boolean {
    const runs = this.#runs.get(event)
    if (this.#expected.handlers.every(({ name }) => settled(runs?.get(name)))) return true
    // Given up by the store: then nothing of it runs any more.
    return this.#expected.dead.has(event) && ![...(runs?.values() ?? [])].some(({ state }) => state === 'open')
  }

  #end(line: Named<'end' | 'fail'>): void {
    const run = this.#runs.get(line.event)?.get(line.handler)
    // The run of a process that has lost the lease: another has begun since, and counts.
    if (run?.pid !== line.pid) return
    run.state = line.at === 'end' ? 'ended' : line.final ? 'final' : 'failed'
    this.#open.get(line.pid)?.delete(run)
  }

  #save({ event, handlers }: Named<'saved'>): void {
    for (const name of handlers ?? this.#expected.handlers.map((handler) => handler.name))
      this.#saved.add(`${event} ${name}`)
  }

  #kill(pid: number): void {
    for (const run of this.#open.get(pid) ?? []) run.state = 'cut'
    this.#open.delete(pid)
  }

  #violate({ event, handler, lane, seq, pid }: Named<'start'>, what: string): void {
    this.#violations.push(`${handler} of ${event} (${lane} ${seq}, process ${pid}) ${what}`)
  }
}
