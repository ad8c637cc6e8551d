import { type Bus, createBus, defineCommand, defineEvent, HandlerPriority } from '@buslane/core'

export interface Item {
  readonly id: string
  readonly name: string
  readonly price: number
}

export const ItemAdded = defineEvent<Item>('cart.item-added')
export const ItemRemoved = defineEvent<Pick<Item, 'id'>>('cart.item-removed')
const CouponRedeemed = defineEvent<{ readonly percent: number }>('cart.coupon-redeemed')
export const RedeemCoupon = defineCommand<{ readonly code: string }, { readonly percent: number }>('cart.redeem-coupon')

/** What there is in the cart. */
export interface Cart {
  readonly items: Map<string, Item>
  percentOff: number
}

/** What the page does with it. */
export interface CartView {
  draw(cart: Cart): void
  /** May take its time: the next change waits for it, the page does not. */
  save(cart: Cart): Promise<void>
}

/** The cart changes by events alone. The handlers of an event run group by group: change, draw, save. */
export function createCartBus(cart: Cart, view: CartView): Bus {
  const bus = createBus({ name: 'cart' })
  const change = { priority: HandlerPriority.HIGHEST }
  bus.on(ItemAdded, ({ payload }) => void cart.items.set(payload.id, payload), change)
  bus.on(ItemRemoved, ({ payload }) => void cart.items.delete(payload.id), change)
  bus.on(CouponRedeemed, ({ payload }) => void (cart.percentOff = payload.percent), change)
  bus.onPattern('cart.*', () => view.draw(cart))
  bus.onPattern('cart.*', () => view.save(cart), { priority: HandlerPriority.LOW })
  bus.handle(RedeemCoupon, async ({ payload: { code } }, { publish }) => {
    const percent = await lookUp(code)
    await publish(CouponRedeemed({ percent }))
    return { percent }
  })
  return bus
}

export function totalOf({ items, percentOff }: Cart): number {
  const sum = [...items.values()].reduce((total, { price }) => total + price, 0)
  return (sum * (100 - percentOff)) / 100
}

/** Stands in for a request to your server. */
async function lookUp(code: string): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 50))
  if (code === 'SPRING') return 25
  throw new Error(`There is no coupon ${code}.`)
}
