import type { Section } from '../harness/section.ts'
import { allocation } from './allocation.ts'
import { core } from './core.ts'
import { durable } from './durable.ts'
import { embedded } from './embedded.ts'
import { resilience } from './resilience.ts'
import { schedules } from './schedules.ts'
import { size } from './size.ts'
import { telemetry } from './telemetry.ts'

/** In the order of the report. */
export const sections: readonly Section[] = [
  core,
  schedules,
  durable,
  embedded,
  allocation,
  resilience,
  telemetry,
  size,
]
