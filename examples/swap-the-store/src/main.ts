import { randomUUID } from 'node:crypto'
import { createParcelOffice, sendParcel } from './parcels.ts'
import { stores } from './store.ts'

// The one line. The others: stores.pglite(), stores.postgres().
const store = stores.memory()

const told: string[] = []
const overdue = Promise.withResolvers<void>()
await using bus = createParcelOffice(store, (parcel, what) => {
  console.log(`${parcel} ${what}`)
  told.push(what)
  if (what === 'overdue') overdue.resolve()
})
await bus.start()

const parcel = `parcel ${randomUUID().slice(0, 8)}`
console.log(`${parcel} ${await sendParcel(bus, parcel, 300)}`)
console.log(`${parcel} ${await sendParcel(bus, parcel, 300)}`)
await overdue.promise

if (told.join() !== 'labelled,announced,overdue') throw new Error(`It was ${told.join()}`)
