import type { Bench } from './bench.ts'

/** One thing that must hold through a bus, whatever persistence it has. */
export interface BusCheck {
  readonly rules: readonly string[]
  readonly title: string
  readonly run: (bench: Bench) => Promise<void>
}
