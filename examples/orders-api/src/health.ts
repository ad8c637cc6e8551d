import type { FastifyInstance } from 'fastify'
import type { Service } from './service.ts'

/** 200 with what the bus and its store say of themselves; 503 while the database does not answer. */
export function addHealth(app: FastifyInstance, { bus, persistence }: Service): void {
  app.get('/health', async (_request, reply) => {
    try {
      return { ...bus.health(), store: await persistence.inspect.counts() }
    } catch {
      return reply.code(503).send(bus.health())
    }
  })
}
