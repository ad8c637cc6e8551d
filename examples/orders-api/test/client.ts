import type { Order } from '../src/orders.ts'

/** What a client of the API can do. An answer of `undefined` is none: the connection was refused, or broke. */
export interface Client {
  place(id: string): Promise<number | undefined>
  pay(id: string): Promise<number | undefined>
  find(id: string): Promise<Order | undefined>
  reserved(): Promise<number>
}

export const QUANTITY = 2

export function createClient(api: string): Client {
  const send = async (method: string, route: string, body?: object): Promise<number | undefined> => {
    const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    try {
      const response = await fetch(`${api}${route}`, { method, ...(body && json) })
      await response.text()
      return response.status
    } catch {
      return undefined
    }
  }
  return {
    place: (id) => send('PUT', `/orders/${id}`, { customer: 'Ada', sku: 'tea', quantity: QUANTITY }),
    pay: (id) => send('POST', `/orders/${id}/payment`),
    async find(id) {
      const response = await fetch(`${api}/orders/${id}`)
      return response.ok ? ((await response.json()) as Order) : undefined
    },
    async reserved() {
      const { reserved } = (await (await fetch(`${api}/stock/tea`)).json()) as { reserved: number }
      return reserved
    },
  }
}
