import type { Delivery } from './delivery.ts'
import { chainOf, type HandlerCall } from './handler-call.ts'
import type { Intake } from './intake.ts'
import type { Lanes } from './lanes.ts'
import type { SessionState } from './session.ts'

/** One wait until there is nothing left to do. */
interface Wait {
  /** Only what belongs to this session. */
  readonly session?: SessionState | undefined
  /** The handler that waits: it, and whoever waits for it, is not waited for. */
  readonly call?: HandlerCall | undefined
  /** It ends with something else, and until then its handler does not move: others do not wait for that handler. */
  readonly held?: boolean
}

export interface QuiescenceHost {
  readonly intake: Intake
  readonly lanes: Lanes
  /** Commands at work. */
  readonly commands: ReadonlySet<HandlerCall>
  /** Publishes whose schema or middleware has not answered yet. */
  readonly accepting: number
}

/**
 * Knows when nothing waits or runs any more. A handler that waits for that would wait for itself: its own chain of calls
 * is left out, and so are the events that stand behind it in its lane.
 */
export class Quiescence {
  readonly #host: QuiescenceHost
  readonly #waits = new Map<Wait, () => void>()
  /** Waits that do not simply wait for everything. */
  #inside = 0

  constructor(host: QuiescenceHost) {
    this.#host = host
  }

  /** `cancel` ends the wait without an answer. */
  wait(wait: Wait): { readonly done: Promise<void>; readonly cancel: () => void } {
    const { promise: done, resolve } = Promise.withResolvers<void>()
    this.#waits.set(wait, resolve)
    if (isInside(wait)) {
      // The handler is on the stack, and others of its group may not have started yet.
      this.#inside++
      queueMicrotask(() => this.check())
    } else {
      this.check()
    }
    return { done, cancel: () => this.#end(wait) }
  }

  /** Whether anybody waits. */
  get waited(): boolean {
    return this.#waits.size > 0
  }

  /** To be called whenever something settled, if anybody waits. */
  check(): void {
    // Nearly always somebody outside waits for everything: then one look at the counts is enough.
    if (this.#inside > 0 || this.#host.intake.counts.waiting === 0) this.#check()
  }

  #check(): void {
    if (this.#inside === 0 && this.#atWork + this.#host.intake.waiting > 0) return
    if (this.#host.lanes.moving > 0 && this.#inside > 0) return // it checks again when it has come to rest
    const waits = [...this.#waits.keys()]
    const held = this.#stuck(waits.filter(({ held }) => held))
    const stuck = this.#stuck(waits)
    // Nothing can move any more until one of the waiting handlers does.
    const allStuck = this.#atWork === stuck.atWork && !this.#host.lanes.willStart
    for (const wait of waits) {
      if (wait.held) continue
      const inside = wait.call?.live === true
      const ignored = inside ? stuck : held
      const left = wait.session
        ? wait.session.active - ignored.countOf(wait.session)
        : this.#atWork + this.#host.intake.waiting - ignored.atWork - ignored.waiting
      if (left > 0 && !(inside && allStuck)) continue
      const resolve = this.#waits.get(wait)
      this.#end(wait)
      resolve?.()
    }
  }

  #end(wait: Wait): void {
    if (this.#waits.delete(wait) && isInside(wait)) this.#inside--
  }

  get #atWork(): number {
    const { intake, lanes, commands, accepting } = this.#host
    return intake.running + lanes.beginning.size + commands.size + accepting
  }

  /** What cannot end before one of these waits does: an event only if every handler of it that runs is one of theirs. */
  #stuck(waits: readonly Wait[]): Stuck {
    const chain = new Set(waits.flatMap(({ call }) => [...chainOf(call)]))
    const commands = [...this.#host.commands].filter((command) => chain.has(command))
    const deliveries: Delivery[] = []
    for (const { delivery, calls, starting } of chain.size > 0 ? this.#host.lanes.active : []) {
      const atWork = calls.filter(({ ended }) => !ended)
      if (delivery && !starting && atWork.length > 0 && atWork.every((call) => chain.has(call)))
        deliveries.push(delivery)
    }
    return new Stuck(deliveries, commands)
  }
}

const isInside = ({ session, call }: Wait): boolean => session !== undefined || call !== undefined

class Stuck {
  readonly #deliveries: readonly Delivery[]
  readonly #commands: readonly HandlerCall[]
  /** The events that stand behind those. */
  readonly #behind: readonly Delivery[]

  constructor(deliveries: readonly Delivery[], commands: readonly HandlerCall[]) {
    this.#deliveries = deliveries
    this.#commands = commands
    this.#behind = deliveries.flatMap(({ lane }) => (lane ? [...lane.queue] : []))
  }

  get atWork(): number {
    return this.#deliveries.length + this.#commands.length
  }

  get waiting(): number {
    return this.#behind.length
  }

  countOf(session: SessionState): number {
    const events = [...this.#deliveries, ...this.#behind].filter((delivery) => delivery.session === session)
    return events.length + this.#commands.filter(({ message }) => message.sessionId === session.id).length
  }
}
