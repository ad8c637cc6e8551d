import type { ScheduledEvent } from '@buslane/core'
import { type Cart, createCartBus, type Item, ItemAdded, ItemRemoved, RedeemCoupon, totalOf } from './cart.ts'

const UNDO_MS = 1500

const element = (id: string): HTMLElement => document.getElementById(id) ?? document.body

const cart: Cart = { items: new Map(), percentOff: 0 }
const bus = createCartBus(cart, { draw, save })
/** Items that leave the cart when their time is over. */
const removals = new Map<string, ScheduledEvent>()

function draw(): void {
  element('items').replaceChildren(...[...cart.items.values()].map(drawItem))
  element('total').textContent = totalOf(cart).toFixed(2)
}

function drawItem({ id, name, price }: Item): HTMLElement {
  const button = document.createElement('button')
  button.textContent = removals.has(id) ? 'Undo' : 'Remove'
  button.onclick = () => void (removals.has(id) ? undo(id) : removeSoon(id)).then(draw)
  const line = document.createElement('li')
  line.append(`${name} ${price.toFixed(2)} `, button)
  return line
}

async function removeSoon(id: string): Promise<void> {
  removals.set(id, await bus.schedule(ItemRemoved({ id }), { delayMs: UNDO_MS }))
}

async function undo(id: string): Promise<void> {
  await removals.get(id)?.cancel()
  removals.delete(id)
}

/** Stands in for a slow store, such as a server. */
async function save(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 100))
  localStorage.setItem('cart', JSON.stringify([...cart.items.values()]))
  element('saved').textContent = `${cart.items.size} saved`
}

async function redeem(code: string): Promise<void> {
  const result = await bus.execute(RedeemCoupon({ code }), { timeoutMs: 2000 })
  element('message').textContent = result.success
    ? `${result.value.percent} % off`
    : `Sorry. ${result.error.cause instanceof Error ? result.error.cause.message : result.error.message}`
}

// From here on it is too late for an undo.
bus.on(ItemRemoved, ({ payload }) => void removals.delete(payload.id))
for (const button of document.querySelectorAll<HTMLElement>('[data-add]')) {
  const { add: name = '', price } = button.dataset
  button.onclick = () => void bus.publish(ItemAdded({ id: crypto.randomUUID(), name, price: Number(price) }))
}
element('coupon').onsubmit = (event) => {
  event.preventDefault()
  void redeem((element('code') as HTMLInputElement).value)
}
// Accepted before the bus starts, handled when it does.
for (const item of JSON.parse(localStorage.getItem('cart') ?? '[]') as Item[]) void bus.publish(ItemAdded(item))
await bus.start()
