import { invalid } from '../errors.ts'
import { type AnyDefinition, BUS } from '../message.ts'
import type { ClaimType } from '../persistence.ts'
import type { StoreHost } from '../store-host.ts'
import { namesOf } from './stored-delivery.ts'

/** Which types this process handles, in which versions, and with which handlers. */
export class HandledTypes {
  readonly #bus: StoreHost
  readonly #paused = new Set<string>()
  #list: readonly ClaimType[] | undefined = undefined
  #keys = new Set<string>()
  #notes: readonly string[] = []
  /** By type: why events of it cannot be stored, if so. */
  readonly #problems = new Map<string, string | undefined>()

  constructor(bus: StoreHost) {
    this.#bus = bus
  }

  /** What may be claimed. */
  get list(): readonly ClaimType[] {
    if (this.#list) return this.#list
    const list: ClaimType[] = []
    const notes: string[] = []
    for (const definition of this.#bus.handledTypes()) {
      const problem = this.#problemOf(definition.type)
      // Only what is meant to be stored is worth a note.
      if (problem && definition.durable) notes.push(problem)
      if (!problem) list.push(...this.#versionsOf(definition))
    }
    this.#keys = new Set(list.map(({ type, version }) => `${version} ${type}`))
    this.#notes = notes
    return (this.#list = list)
  }

  /** What an operator should know of handlers that cannot work on stored events. */
  get notes(): readonly string[] {
    void this.list
    return this.#notes
  }

  /** Whether an event of this type may be handled here. */
  handles(type: string, version: number): boolean {
    void this.list
    return this.#keys.has(`${version} ${type}`) && !this.#paused.has(type)
  }

  /** Handlers came or went. Whether anything was known before. */
  changed(): boolean {
    const known = this.#list !== undefined
    this.#list = undefined
    this.#problems.clear()
    return known
  }

  gate(type: string, open: boolean): void {
    if (open) this.#paused.delete(type)
    else this.#paused.add(type)
    this.#list = undefined
  }

  /** @throws {BusError} `INVALID_ARGUMENT` */
  requireStorable(type: string): void {
    let problem = this.#problems.get(type)
    if (problem === undefined && !this.#problems.has(type)) {
      problem = this.#problemOf(type)
      this.#problems.set(type, problem)
    }
    if (problem) throw invalid(problem)
  }

  #problemOf(type: string): string | undefined {
    const plan = this.#bus.plan(type, BUS)
    const unnamed = plan.find(({ identity }) => identity === undefined)
    if (unnamed) {
      return `'${type}' cannot be stored while its handler '${unnamed.name}' has no explicit name: on(${type}, ..., { name: '...' })`
    }
    const names = namesOf(plan)
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice === undefined) return undefined
    return `'${type}' cannot be stored while two of its handlers are named '${twice}': names must be unique`
  }

  /** The version of the definition, and those that it can be upcast from without a gap. */
  *#versionsOf(definition: AnyDefinition): Generator<ClaimType> {
    const { type, options } = definition
    const plan = this.#bus.plan(type, BUS)
    // A claim may record the start itself where every event of the type has these handlers.
    const starts = plan.length > 0 && options.onCrash !== 'fail' && !this.#bus.hasSessionHandlers(type)
    const handlers = starts ? namesOf(plan) : undefined
    const paused = this.#paused.has(type)
    for (let { version } = definition; version >= 1; version--) {
      yield { type, version, paused, handlers }
      if (!options.upcast?.[version - 1]) return
    }
  }
}
