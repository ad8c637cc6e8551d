import type { BusOptions, Logger, Persistence } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { createTestBus, type TestBus, type VirtualClock } from '@buslane/testkit'
import { type Approvals, approvals, type ApprovalsOptions } from '../../src/index.ts'

export interface DeskBus extends AsyncDisposable {
  readonly bus: TestBus
  readonly desk: Approvals
  readonly clock: VirtualClock
  readonly logged: string[]
}

export interface DeskBusOptions extends Pick<BusOptions, 'name'> {
  /** `memory`: nothing keeps approvals. */
  readonly keeps: 'memory' | 'store' | Persistence
  readonly desk?: ApprovalsOptions
  readonly clock?: VirtualClock
  readonly plugins?: (desk: Approvals) => BusOptions['plugins']
}

const keeping = (logged: string[]): Logger => ({
  debug: () => {},
  info: (_facts, text) => void logged.push(`info ${text}`),
  warn: (_facts, text) => void logged.push(`warn ${text}`),
  error: (_facts, text) => void logged.push(`error ${text}`),
})

/** A bus with approvals, by a clock of its own. */
export const deskBus = async ({ keeps, desk: options, clock, plugins }: DeskBusOptions): Promise<DeskBus> => {
  const desk = approvals(options)
  const logged: string[] = []
  const persistence = keeps === 'memory' ? undefined : keeps === 'store' ? memoryPersistence : keeps
  const bus = createTestBus({
    logger: keeping(logged),
    plugins: plugins?.(desk) ?? [desk],
    ...(persistence && { persistence }),
    ...(clock && { clock }),
  })
  await bus.start()
  return {
    bus,
    desk,
    clock: bus.clock,
    logged,
    [Symbol.asyncDispose]: async () => void (await bus.stop({ timeoutMs: 0 })),
  }
}
