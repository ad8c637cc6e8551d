export { telemetry, type Telemetry } from './telemetry.ts'
export type { SpanChanges, SpanFacts, SpanOperation, TelemetryOptions } from './options.ts'
