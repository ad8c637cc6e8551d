import { type Bus, createBus, defineEvent, HandlerPriority, type Persistence } from '@buslane/core'

const ParcelSent = defineEvent<{ readonly parcel: string }>('parcel.sent', { durable: true })
const ParcelOverdue = defineEvent<{ readonly parcel: string }>('parcel.overdue', { durable: true })

/** Tells somebody what happened to a parcel. Yours would print, mail, and phone. */
export type Tell = (parcel: string, what: 'labelled' | 'announced' | 'overdue') => void

/** A parcel office. It knows that it has a store, and not which. */
export function createParcelOffice(persistence: Persistence, tell: Tell): Bus {
  const bus = createBus({
    persistence,
    // What happens to one parcel happens in order; parcels do not wait for each other.
    lane: ({ payload }) => (payload as { parcel: string }).parcel,
  })
  bus.on(ParcelSent, ({ payload }) => tell(payload.parcel, 'labelled'), {
    name: 'label',
    priority: HandlerPriority.HIGH,
  })
  bus.on(ParcelSent, ({ payload }) => tell(payload.parcel, 'announced'), {
    name: 'announce',
    priority: HandlerPriority.LOW,
  })
  bus.on(ParcelOverdue, ({ payload }) => tell(payload.parcel, 'overdue'), { name: 'ask-the-carrier' })
  return bus
}

/** Sends a parcel, once, however often it is called; asks about it if nobody has called that off in time. */
export async function sendParcel(bus: Bus, parcel: string, overdueAfterMs: number): Promise<'sent' | 'sent before'> {
  const { status } = await bus.publish(ParcelSent({ parcel }), { idempotencyKey: `sent ${parcel}` })
  await bus.schedule(ParcelOverdue({ parcel }), { delayMs: overdueAfterMs, idempotencyKey: `overdue ${parcel}` })
  return status === 'duplicate' ? 'sent before' : 'sent'
}
