// The bus
export { type Bus, createBus } from './bus.ts'
export type { BusOptions } from './bus-options.ts'
export type { EndSessionOptions, Session } from './session.ts'
export type { Registration } from './routing.ts'

// Messages
export {
  type AnyDefinition,
  BUS,
  type CommandDefinition,
  type CommandDefinitionOptions,
  type CommandMessage,
  defineCommand,
  defineEvent,
  type EventDefinition,
  type EventDefinitionOptions,
  type EventMessage,
  type Message,
  type MessageChanges,
  type MessageOptions,
  type Metadata,
  type Upcasters,
} from './message.ts'
export {
  type SchemaInput,
  type SchemaOutput,
  type StandardIssue,
  type StandardResult,
  type StandardSchema,
  type,
} from './schema.ts'

// Handling
export type { CommandContext, CommandHandler, EventContext, EventHandler, HandlerContext } from './context.ts'
export type {
  CommandHandlerOptions,
  ExecuteOptions,
  HandlerOptions,
  PublishAndWaitOptions,
  PublishOptions,
  PublishReceipt,
  ScheduleOptions,
  Transaction,
  TransactionTypes,
} from './options.ts'
export { HandlerPriority } from './priority.ts'
export type { EventOutcome, HandlerOutcome } from './outcome.ts'
export { type CommandResult, unwrap } from './command-result.ts'
export type { ScheduledEvent } from './scheduler.ts'

// Around handling
export type { Middleware, PublishNext } from './middleware.ts'
export { type LogOptions, loggingMiddleware } from './middleware/logging.ts'
export { type TimingReport, timingMiddleware } from './middleware/timing.ts'
export type { EventFilter, LaneFunction } from './publishing.ts'
export { allOf, anyOf, not } from './filters/combine.ts'
export { metadataFilter } from './filters/metadata.ts'
export { patternFilter } from './filters/pattern.ts'
export { type RateLimitOptions, rateLimitFilter } from './filters/rate-limit.ts'
export { sessionFilter } from './filters/session.ts'
export { typeFilter } from './filters/type.ts'

// Errors and system events
export { BusError, ErrorCode, InvalidPayloadError, isBusError, NestedWaitError } from './errors.ts'
export {
  BackpressureChanged,
  CommandFailed,
  CommandStarted,
  CommandSucceeded,
  type ErrorData,
  EventHandlerFailed,
  PersistenceDegraded,
  PersistenceRecovered,
  SessionEnded,
  SessionStarted,
} from './system-events.ts'
export type { Decision, Failure, HandlerFailure } from './failure.ts'

// Looking in
export type { HandlerFacts, Observer } from './observer.ts'
export type { BusHealth, BusState, BusStats, HealthWarning, LeftEvent, StopReport, StoredStats } from './stats.ts'
export type { QueueCounts, QueueOptions, QueueStrategy } from './intake.ts'

// Extending
export type {
  HandlerRun,
  HandlerWrapper,
  Plugin,
  PluginHost,
  PluginOptions,
  RunContext,
  WrappedHandler,
} from './plugin.ts'
export type { CommandExecution, CommandScreen } from './commands.ts'
export type { Burial, DeliveryLease } from './store-host.ts'
export type { Signal, SignalAttributes, Signals } from './signals.ts'
export { type Clock, type ClockTimer, systemClock } from './clock.ts'
export { consoleLogger, type Logger } from './logger.ts'
export { createHandlerRegistry, type FullHandlerRegistry } from './handler-registry.ts'
export {
  type CommandRegistration,
  type EventHandlerEntry,
  type EventRegistration,
  type HandlerRegistration,
  type HandlerRegistry,
  type HandlerRegistryChange,
  type HandlerRegistryStats,
  isObservableHandlerRegistry,
  isPatternHandlerRegistry,
  isPriorityHandlerRegistry,
  isRemovableHandlerRegistry,
  type ObservableHandlerRegistry,
  type PatternHandlerRegistry,
  type PriorityHandlerRegistry,
  type RemovableHandlerRegistry,
} from './registry.ts'

// Persistence
export type {
  Appended,
  ApprovalQuery,
  ApprovalStore,
  Claimed,
  ClaimedEvent,
  ClaimRequest,
  ClaimType,
  DeadLetter,
  DeadLetterQuery,
  DeadLetterStore,
  DeadReason,
  EventLog,
  EventStore,
  GivenUp,
  HandlerProgress,
  Inspectable,
  Lease,
  LoggedEvent,
  NewApproval,
  NewDeadLetter,
  NewEvent,
  Page,
  PayloadCodec,
  Persistence,
  Progress,
  Report,
  Reported,
  StoreCounts,
  StoredApproval,
  StoredError,
  StoredEvent,
  StoredEventQuery,
  StoredMessage,
  StoredState,
  StoreSettings,
  Tended,
  WorkerFacts,
} from './persistence.ts'
