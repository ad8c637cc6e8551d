import { Redis } from 'ioredis'
import { UsageError } from './options.ts'

export interface RedisServer {
  readonly url: string
  readonly version: string
}

const DEFAULT_URL = 'redis://127.0.0.1:6379'

/** The server that `BUSLANE_BENCH_REDIS_URL` names, or the one of this machine, if it answers within a second. */
export const findRedis = async (): Promise<RedisServer | undefined> => {
  const given = process.env['BUSLANE_BENCH_REDIS_URL']
  const url = given || DEFAULT_URL
  const redis = new Redis(url, { lazyConnect: true, connectTimeout: 1000, retryStrategy: () => null })
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    const version = /redis_version:(\S+)/.exec(await redis.info('server'))?.[1] ?? 'of unknown version'
    return { url, version }
  } catch (cause) {
    if (given) throw new UsageError('The Redis of BUSLANE_BENCH_REDIS_URL does not answer', { cause })
    return undefined
  } finally {
    redis.disconnect()
  }
}
