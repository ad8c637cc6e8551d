import {
  type Clock,
  type CommandMessage,
  type CommandResult,
  isBusError,
  type PayloadCodec,
  type StoredMessage,
} from '@buslane/core'
import { fromJson, storedError, toJson } from '@buslane/core/store-runner'
import type { Keeper } from './keeper.ts'
import type { ApprovalRecord } from './record.ts'
import { begin, fail, succeed } from './run-states.ts'
import { change } from './runs.ts'
import type { Firsthand } from './waiters.ts'

interface MemoryRunsHost {
  readonly clock: Clock
  readonly keeper: Keeper
  readonly codec: PayloadCodec | undefined
  execute(command: CommandMessage): Promise<CommandResult<unknown>>
  changed(record: ApprovalRecord, firsthand?: Firsthand): void
}

/** What is kept of a command beside its payload. */
type Headers = Pick<CommandMessage, 'timestamp' | 'correlationId' | 'causationId'> &
  Partial<Pick<CommandMessage, 'metadata'>>

/** Runs approved commands where no store keeps them: they are executed here, at once. */
export class MemoryRuns {
  readonly #host: MemoryRunsHost
  /** Commands that were approved, and must not be held back again. */
  readonly #granted = new WeakSet<CommandMessage>()

  constructor(host: MemoryRunsHost) {
    this.#host = host
  }

  isGranted(command: CommandMessage): boolean {
    return this.#granted.has(command)
  }

  async run(stored: StoredMessage): Promise<void> {
    const { keeper } = this.#host
    const { id } = stored
    const token = crypto.randomUUID()
    const running = await change(keeper, id, (record, at) => {
      const beginning = begin(record, { token, at, before: undefined })
      return beginning.is === 'run' ? beginning.record : undefined
    })
    if (!running) return
    const command = this.#restore(stored)
    this.#granted.add(command)
    const result = await this.#host.execute(command)
    if (result.success) {
      const value = textOf(result.value)
      const record = await change(keeper, id, (now, at) => succeed(now, { token, at, value }))
      if (record) this.#host.changed(record, { value: result.value })
    } else {
      const { error } = result
      const thrown = isBusError(error, 'HANDLER_FAILED') && error.cause !== undefined ? error.cause : error
      const record = await change(keeper, id, (now, at) =>
        fail(now, { token, at, error: storedError(thrown, at), next: 'none' }),
      )
      if (record) this.#host.changed(record, { error: thrown })
    }
  }

  /** As one that was read from JSON: the bus knows its definition by its type. */
  #restore({ headers, payload, ...facts }: StoredMessage): CommandMessage {
    const { codec } = this.#host
    const { timestamp, correlationId, causationId, metadata = {} } = fromJson(headers) as Headers
    const read = codec ? codec.decode(payload) : fromJson(payload)
    return { ...facts, kind: 'command', payload: read, timestamp, correlationId, causationId, metadata }
  }
}

/** What cannot be kept as JSON is given to who waits, and is not in the record. */
const textOf = (value: unknown): string | undefined => {
  try {
    return toJson(value, 'The result')
  } catch {
    return undefined
  }
}
