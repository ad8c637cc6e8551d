import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { createParcelOffice, sendParcel } from '../src/parcels.ts'
import { openStores } from './open-stores.ts'

const HOUR = 3_600_000

const { opened, close } = await openStores()
after(close)

for (const [name, openStore] of Object.entries(opened)) {
  describe(`a parcel office on ${name}`, () => {
    it('labels a parcel before it announces it, and both once, however often it is sent', async () => {
      const told: string[] = []
      await using bus = createParcelOffice(openStore(), (parcel, what) => told.push(`${parcel} ${what}`))
      await bus.start()
      const answers = [await sendParcel(bus, 'tea', HOUR), await sendParcel(bus, 'tea', HOUR)]
      await bus.idle()
      assert.deepEqual(answers, ['sent', 'sent before'])
      assert.deepEqual(told, ['tea labelled', 'tea announced'])
    })

    it('handles what an office accepted that is gone, and asks about a parcel when its time has come', async () => {
      const store = openStore()
      const gone = createParcelOffice(store, () => assert.fail('it was never started'))
      await sendParcel(gone, 'coffee', 100)
      await gone.stop()

      const told: string[] = []
      const overdue = Promise.withResolvers<void>()
      await using bus = createParcelOffice(store, (parcel, what) => {
        told.push(`${parcel} ${what}`)
        if (what === 'overdue') overdue.resolve()
      })
      await bus.start()
      await overdue.promise
      assert.deepEqual(told, ['coffee labelled', 'coffee announced', 'coffee overdue'])
    })
  })
}
