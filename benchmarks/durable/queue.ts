import type pg from 'pg'

/** Where a side may keep its messages. */
export interface Servers {
  readonly databaseUrl: string
  readonly redisUrl: string | undefined
}

/** A durable queue as its documentation advises to use it: ours, or what people use today. */
export interface DurableQueue {
  readonly name: string
  /** What it does not do, or how it differs. */
  readonly caveat: string
  /** Begins empty, unless another process has begun; with a pool of {@link CONNECTIONS}. */
  open(servers: Servers, begins?: 'empty' | 'as it is'): Promise<OpenQueue>
}

export type Handle = (n: number) => Promise<void> | void

interface Handling {
  /** Ends it, and waits until what was handled is written. */
  stop(): Promise<void>
  /** Settles if it ends by itself. Absent where it goes on whatever happens. */
  readonly ended?: Promise<unknown>
}

export interface OpenQueue {
  /** Resolves when it is stored. */
  publish(n: number): Promise<unknown>
  /** What it offers to one caller who has many at once. */
  publishMany?(from: number, count: number): Promise<unknown>
  /** In the caller's transaction. */
  readonly publishIn?: (client: pg.PoolClient, n: number) => Promise<unknown>
  /** Begins to handle what is there and what comes. */
  startHandling(handle: Handle): Promise<Handling>
  /** How many are stored. */
  left(): Promise<number>
  clear(): Promise<void>
  close(): Promise<void>
}

/** Of every pool. */
export const CONNECTIONS = 20
