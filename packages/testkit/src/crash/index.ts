// The parent
export { CrashRun, type CrashRunOptions } from './crash-run.ts'
export type { WorkerProcess } from './worker-process.ts'

// Other trouble
export { TcpProxy, type TcpTarget } from './tcp-proxy.ts'
export { skewWallClock } from './skew-wall-clock.ts'

// The worker program
export { crashWorker, type WorkerTools, type WorkerVerbs } from './worker-program.ts'
export { observedPersistence, type Observation } from './observed-persistence.ts'
export { journaled, type JournaledHandler, type JournaledPayload } from './journaled-handler.ts'
export type { PausePoint, Pauses } from './pauses.ts'

// What came out
export type { Journal, JournalLine, JournalNote, RunFacts } from './journal.ts'
export { type Duplicate, type Expected, judge, type Verdict } from './verdict.ts'
