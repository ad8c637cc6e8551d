import type { Section } from '../harness/section.ts'
import { allocation } from './allocation.ts'
import { chaos } from './chaos.ts'
import { core } from './core.ts'
import { durable } from './durable.ts'
import { embedded } from './embedded.ts'
import { resilience } from './resilience.ts'
import { scale } from './scale.ts'
import { schedules } from './schedules.ts'
import { size } from './size.ts'
import { telemetry } from './telemetry.ts'

/** In the order of the report. */
export const sections: readonly Section[] = [
  core,
  schedules,
  scale,
  durable,
  embedded,
  chaos,
  allocation,
  resilience,
  telemetry,
  size,
]
