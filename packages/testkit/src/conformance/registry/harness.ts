import type { HandlerRegistry } from '@buslane/core'

/** What a registry may have beyond the base API. */
export type RegistryExtension = 'priorities' | 'removal' | 'patterns' | 'changes'

/** How the suite gets at a registry: what its author writes. */
export interface RegistryHarness {
  /** The extensions that are not there, and why: their checks are skipped, and counted as skipped. */
  readonly absent?: Readonly<Partial<Record<RegistryExtension, string>>>
  /** Makes an empty registry. Called for every check. */
  readonly create: () => HandlerRegistry
}
