import fastify, { type FastifyInstance } from 'fastify'
import { config } from './config.ts'
import { addHealth } from './health.ts'
import { findOrder, type NewOrder, payOrder, placeOrder } from './orders.ts'
import type { Service } from './service.ts'

const newOrder = {
  type: 'object',
  required: ['customer', 'sku', 'quantity'],
  additionalProperties: false,
  properties: {
    customer: { type: 'string', minLength: 1 },
    sku: { type: 'string', minLength: 1 },
    quantity: { type: 'integer', minimum: 1 },
  },
} as const

interface WithId {
  readonly Params: { readonly id: string }
}

/** The routes. The client chooses the id of an order, so that asking again cannot place it twice. */
export function createApi(service: Service): FastifyInstance {
  const app = fastify({ logger: { level: config.logLevel } })
  addHealth(app, service)
  letConnectionsEnd(app)

  app.put<WithId & { Body: NewOrder }>('/orders/:id', { schema: { body: newOrder } }, async (request, reply) => {
    const outcome = await placeOrder(service, request.params.id, request.body)
    return reply.code(outcome === 'placed' ? 201 : 200).send({ id: request.params.id })
  })

  app.post<WithId>('/orders/:id/payment', async (request, reply) => {
    const outcome = await payOrder(service, request.params.id)
    return reply.code(outcome === 'paid' ? 202 : 409).send({ outcome })
  })

  app.get<WithId>('/orders/:id', async (request, reply) => {
    const order = await findOrder(service, request.params.id)
    return order ?? reply.code(404).send({ error: `There is no order ${request.params.id}.` })
  })

  app.get<{ Params: { readonly sku: string } }>('/stock/:sku', async ({ params: { sku } }) => {
    const stock = await service.database.selectFrom('stock').selectAll().where('sku', '=', sku).executeTakeFirst()
    return stock ?? { sku, reserved: 0 }
  })
  return app
}

/** A client may keep its connection for long after an answer. Once the service is ending, that answer is the last one. */
function letConnectionsEnd(app: FastifyInstance): void {
  let ending = false
  app.addHook('preClose', async () => {
    ending = true
  })
  app.addHook('onSend', async (_request, reply) => {
    if (ending) reply.header('connection', 'close')
  })
}
