import type {
  AnyDefinition,
  CommandExecution,
  CommandMessage,
  EventContext,
  EventMessage,
  HealthWarning,
  Page,
  PayloadCodec,
  PluginHost,
  PluginOptions,
} from '@buslane/core'
import { type Approval, type ApprovalState, readApproval } from './approval.ts'
import type { ApprovalFilter, Approvals, CommandKey, CommandPayload, Deciding, DecisionResult } from './approvals.ts'
import { consequencesOf } from './consequences.ts'
import { decide, type Verb } from './decide.ts'
import { editedPayload } from './edit.ts'
import { checkNames, invalid, invalidOption, policyFailed } from './errors.ts'
import { ApprovalDue } from './events.ts'
import type { Keeper, Kept } from './keeper.ts'
import { MemoryKeeper } from './memory-keeper.ts'
import { MemoryRuns } from './memory-runs.ts'
import type { ApprovalsOptions } from './options.ts'
import { ADDED, checkPolicy, isRequired } from './policy.ts'
import { type ApprovalRecord, isFinal } from './record.ts'
import { patiently } from './patience.ts'
import { Requests } from './requests.ts'
import { Runs } from './runs.ts'
import { StoredKeeper } from './stored-keeper.ts'
import { Waiters } from './waiters.ts'

type Decided = 'granted' | 'voted' | 'denied' | 'cancelled'

/** The plugin: its parts, put together for the bus it is installed on. */
export class ApprovalDesk implements Approvals {
  readonly name = 'approvals'
  readonly options: PluginOptions = ADDED
  readonly #options: ApprovalsOptions
  /** By type, of commands that this process has met. */
  readonly #definitions = new Map<string, AnyDefinition>()
  readonly #checked = new WeakSet<AnyDefinition>()
  #bus: PluginHost | undefined
  #keeper!: Keeper
  #memory: { readonly keeper: MemoryKeeper; readonly runs: MemoryRuns } | undefined
  #codec: PayloadCodec | undefined
  #waiters!: Waiters
  #runs!: Runs
  #requests!: Requests

  constructor(options: ApprovalsOptions) {
    this.#options = options
    for (const definition of options.commands ?? []) this.#learn(definition)
  }

  // -- the plugin ---------------------------------------------------------------------------------------------------

  install(bus: PluginHost): void {
    if (this.#bus) throw invalid('Approvals are for one bus: make some for each with approvals()')
    this.#bus = bus
    const { clock, logger } = bus
    this.#keeper = this.#makeKeeper(bus)
    const keeper = this.#keeper
    this.#waiters = new Waiters({ clock, logger, keeper })
    this.#runs = new Runs({
      clock,
      logger,
      keeper,
      observe: (observer) => bus.observe(observer),
      waiters: this.#waiters,
    })
    this.#requests = new Requests({
      clock,
      keeper,
      waiters: this.#waiters,
      rules: this.#options.autoApprove ?? [],
      codec: this.#codec,
    })
    bus.screen((command, execution) => this.#screen(command, execution))
    bus.wrap({
      accept: ({ kind, definition }) => {
        if (kind === 'command' && definition) this.#learn(definition)
      },
      around: ({ kind }, run) =>
        kind === 'event'
          ? run
          : (message, context) => (context.isStored ? this.#runs.run(message, context, run) : run(message, context)),
    })
    bus.onBuried((burial) => this.#runs.buried(burial))
    bus.onHealth(() => this.#warnings())
    bus.onStart(() => keeper.start())
    bus.onStop(() => this.#stop())
  }

  get isDurable(): boolean {
    return this.#installed().keeper.isDurable
  }

  // -- what people see and do ---------------------------------------------------------------------------------------

  async list<Type extends CommandKey = string>(
    filter: ApprovalFilter<Type> = {},
    cursor?: string,
  ): Promise<Page<Approval<CommandPayload<Type>>>> {
    const { keeper } = this.#installed()
    checkNames('filter', filter, FILTER)
    const { type, state, session, limit } = filter
    const typeName = typeof type === 'string' || type === undefined ? type : (type as { type?: string } | null)?.type
    if (type !== undefined && typeof typeName !== 'string') {
      throw invalidOption('filter.type', 'a definition, or the name of a type', type)
    }
    if (state !== undefined && !STATES.includes(state))
      throw invalidOption('filter.state', `one of ${STATES.join(', ')}`, state)
    if (session !== undefined) requireText('filter.session', session)
    if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1)) {
      throw invalidOption('filter.limit', 'a whole number from 1', limit)
    }
    if (cursor !== undefined) requireText('cursor', cursor)
    const page = await keeper.list({ status: state, type: typeName, sessionId: session, limit, cursor })
    const entries = page.entries.map((kept) => this.#show(kept)) as readonly Approval<CommandPayload<Type>>[]
    return { entries, next: page.next }
  }

  async get<Payload = unknown>(id: string): Promise<Approval<Payload> | undefined> {
    requireText('The id of get()', id)
    const kept = await this.#find(id)
    return kept && (this.#show(kept) as Approval<Payload>)
  }

  approve(
    id: string,
    options: Deciding & { readonly edit?: ((approval: Approval) => unknown) | undefined },
  ): Promise<DecisionResult<'granted' | 'voted'>> {
    return this.#decide('approve', id, options, options?.edit) as Promise<DecisionResult<'granted' | 'voted'>>
  }

  deny(id: string, who: Deciding): Promise<DecisionResult<'denied'>> {
    return this.#decide('deny', id, who) as Promise<DecisionResult<'denied'>>
  }

  cancel(id: string, who: Deciding): Promise<DecisionResult<'cancelled'>> {
    return this.#decide('cancel', id, who) as Promise<DecisionResult<'cancelled'>>
  }

  async discard(id: string): Promise<'discarded' | 'unsettled' | 'unknown'> {
    const { keeper } = this.#installed()
    requireText('The id of discard()', id)
    for (;;) {
      const kept = await this.#find(id)
      if (!kept) return 'unknown'
      if (!isFinal(kept.record.state)) return 'unsettled'
      if (await keeper.discard(kept)) return 'discarded'
    }
  }

  async #decide(
    what: 'approve' | 'deny' | 'cancel',
    id: string,
    options: Deciding,
    edit?: (approval: Approval) => unknown,
  ): Promise<DecisionResult<Decided>> {
    requireText(`The id of ${what}()`, id)
    checkNames(`${what}()`, options, what === 'approve' ? ['by', 'note', 'edit'] : ['by', 'note'])
    const { by, note } = options
    if (typeof by !== 'string' || by === '') throw invalidOption(`by of ${what}()`, 'a text that is not empty', by)
    if (note !== undefined && typeof note !== 'string') throw invalidOption(`note of ${what}()`, 'a text', note)
    if (edit !== undefined && typeof edit !== 'function') throw invalidOption('edit of approve()', 'a function', edit)
    for (;;) {
      const kept = await this.#find(id)
      if (!kept) return { status: 'unknown', id }
      if (kept.record.state.is === 'pending' && kept.isOverdue) {
        await this.#expire(id)
        continue
      }
      const approval = this.#show(kept)
      if (kept.record.state.is !== 'pending') return { status: 'already-decided', approval }
      if (!(await this.#mayDecide(by, approval, what))) return { status: 'not-allowed', approval }
      const verb: Verb =
        what === 'approve'
          ? { do: what, by, note, at: kept.readAt, edit: edit && (await this.#edited(approval, edit)) }
          : ({ do: what, by, note, at: kept.readAt } satisfies Verb)
      const verdict = decide(kept.record, verb)
      if (verdict.is === 'decided') return { status: 'already-decided', approval }
      if (verdict.is === 'not-allowed') return { status: 'not-allowed', approval }
      if (verdict.is === 'unchanged') return { status: 'voted', approval }
      if (await this.#change(kept, verdict.record)) {
        return { status: statusOf(verdict.record), approval: this.#show({ ...kept, record: verdict.record }) }
      }
    }
  }

  async #mayDecide(by: string, approval: Approval, what: 'approve' | 'deny' | 'cancel'): Promise<boolean> {
    const { mayDecide } = this.#options
    if (!mayDecide) return true
    let answer: unknown
    try {
      answer = await mayDecide(by, approval, what)
    } catch (cause) {
      throw policyFailed('mayDecide', cause)
    }
    if (typeof answer === 'boolean') return answer
    throw policyFailed('mayDecide', new TypeError('it must give a boolean'))
  }

  async #edited(
    approval: Approval,
    edit: (approval: Approval) => unknown,
  ): Promise<{ readonly payload: string; readonly version: number }> {
    const definition = this.#definitions.get(approval.type)
    if (!definition) {
      throw invalid(
        `'${approval.type}' is not known in this process, so its payload cannot be checked: approvals({ commands: [...] })`,
      )
    }
    return editedPayload(definition, await edit(approval), this.#codec)
  }

  /** The time of an approval is over. */
  async #expire(id: string): Promise<void> {
    for (;;) {
      const kept = await this.#find(id)
      const verdict = kept && decide(kept.record, { do: 'expire', at: kept.readAt })
      if (verdict?.is !== 'changed' || (await this.#change(kept!, verdict.record))) return
    }
  }

  async #change(kept: Kept, record: ApprovalRecord): Promise<boolean> {
    const { keeper } = this.#installed()
    if (!(await keeper.update(kept, record, consequencesOf(record, kept.record.state.is)))) return false
    this.#waiters.changed(record)
    return true
  }

  async #find(id: string): Promise<Kept | undefined> {
    const { keeper } = this.#installed()
    // What no store can keep is the id of nothing in it.
    if (id.includes('\0') || !id.isWellFormed()) return undefined
    return await keeper.get(id)
  }

  #show(kept: Kept): Approval {
    return readApproval(kept, this.#codec)
  }

  // -- commands -----------------------------------------------------------------------------------------------------

  #screen(command: CommandMessage, execution: CommandExecution): Promise<unknown> | undefined {
    const { definition, input } = execution
    const { approval } = definition.options
    if (approval === undefined || this.#memory?.runs.isGranted(input)) return undefined
    try {
      this.#learn(definition)
      if (!isRequired(approval, command)) return undefined
    } catch (error) {
      // oxlint-disable-next-line prefer-promise-reject-errors -- a BusError, of a rule or an option
      return Promise.reject(error)
    }
    return this.#requests.execute(command, execution)
  }

  /** @throws {BusError} `INVALID_ARGUMENT` */
  #learn(definition: AnyDefinition): void {
    if (this.#checked.has(definition)) return
    const { type, options } = definition
    if (options.approval !== undefined) checkPolicy(type, options.approval)
    this.#definitions.set(type, definition)
    this.#checked.add(definition)
  }

  // -- where they are kept ------------------------------------------------------------------------------------------

  #makeKeeper(bus: PluginHost): Keeper {
    const { persistence = bus.persistence } = this.#options
    const { approvals, events } = persistence
    this.#codec = (events ?? bus.persistence.events)?.codec
    if (!approvals || !events) return this.#keepInMemory(bus)
    if (events !== bus.persistence.events) {
      throw invalid(
        'approvals.persistence must have the event store of the bus, which runs what is approved: createBus({ persistence }) with the same',
      )
    }
    // It must not be lost because the store is away for a moment: nothing else would tell who waits.
    const expire = ({ payload }: EventMessage<{ readonly approvalId: string }>, { signal }: EventContext) =>
      patiently(bus.clock, signal, () => this.#expire(payload.approvalId))
    bus.on(ApprovalDue, expire, { name: 'approvals' })
    return new StoredKeeper({ approvals, events, hears: (type) => bus.hears(type), look: () => bus.lookAtStore() })
  }

  #keepInMemory(bus: PluginHost): Keeper {
    const { clock, logger } = bus
    const keeper = new MemoryKeeper({
      clock,
      capacity: this.#options.approvalsInMemory ?? 1000,
      tell: (event) => {
        if (bus.hears(event.type)) bus.publishSystem(event)
      },
      run: (command) => void runs.run(command),
      expire: (id) => void this.#expire(id),
    })
    const runs = new MemoryRuns({
      clock,
      keeper,
      codec: this.#codec,
      execute: (command) => bus.execute(command),
      waiters: () => this.#waiters,
    })
    this.#memory = { keeper, runs }
    const said = 'Approvals are kept in memory, and end with this process: its persistence keeps none'
    // With a store for events somebody may think that approvals are in it.
    if (bus.persistence.events && !this.#options.persistence) logger.warn({}, said)
    else logger.info({}, said)
    return keeper
  }

  #warnings(): readonly HealthWarning[] {
    const { keeper } = this.#memory ?? {}
    const warnings: HealthWarning[] = []
    if (keeper && keeper.open > 0) {
      const message = `${keeper.open} approvals are in memory only, and end with this process`
      warnings.push({ code: 'APPROVALS_IN_MEMORY', message })
    }
    if (keeper && keeper.dropped > 0) {
      const message = `${keeper.dropped} settled approvals were dropped from memory to make room`
      warnings.push({ code: 'APPROVALS_DROPPED', message })
    }
    return warnings
  }

  async #stop(): Promise<void> {
    await this.#runs.settled()
    await this.#keeper.stop()
    const open = this.#memory?.keeper.open ?? 0
    if (open > 0) this.#bus!.logger.warn({}, `${open} approvals are in memory and end with this process`)
  }

  #installed(): { readonly keeper: Keeper } {
    if (!this.#bus) throw invalid('The approvals are not installed: createBus({ plugins: [desk] })')
    return { keeper: this.#keeper }
  }
}

const FILTER = ['type', 'state', 'session', 'limit']
const STATES: readonly string[] = Object.keys({
  pending: 0,
  denied: 0,
  cancelled: 0,
  expired: 0,
  approved: 0,
  running: 0,
  interrupted: 0,
  succeeded: 0,
  failed: 0,
} satisfies Record<ApprovalState['is'], 0>)

const requireText = (name: string, given: unknown): void => {
  if (typeof given !== 'string') throw invalidOption(name, 'a text', given)
}

const statusOf = ({ state }: ApprovalRecord): Decided => {
  if (state.is === 'approved') return 'granted'
  return state.is === 'denied' || state.is === 'cancelled' ? state.is : 'voted'
}
