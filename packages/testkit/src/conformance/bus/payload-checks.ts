import { expectEqual, expectTrue } from '../expect.ts'
import { Odd } from './bench.ts'
import type { BusCheck } from './check.ts'

const SURVIVE: Readonly<Record<string, unknown>> = {
  'texts of every plane': 'ä € 𝄞 👩‍👩‍👧 \u2028 \u202e',
  'a NUL and half of a pair': 'a\0b \ud800',
  'a megabyte': 'x'.repeat(2 ** 20),
  'numbers at the limits': [
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
    Number.MAX_VALUE,
    Number.MIN_VALUE,
    0.1 + 0.2,
  ],
  'empty things': { text: '', list: [], object: {}, nothing: null },
  'keys in their order': { z: 1, a: 2, '': 3 },
}

const REFUSED: readonly (readonly [path: string, payload: unknown])[] = [
  ['order.at', { order: { at: new Date(0) } }],
  ['ids.1', { ids: [1, 2n] }],
  ['by', { by: new Map() }],
  ['prices.0.value', { prices: [{ value: Number.NaN }] }],
]

/** What payloads look like when they come back. */
export const payloadChecks: readonly BusCheck[] = [
  {
    rules: ['C-42', 'R-DUR-2'],
    title: 'gives handlers the payload that was published: unicode, NUL, a megabyte, numbers at the limits',
    run: async (bench) => {
      const handled: unknown[] = []
      await bench.started({}, (bus) => bus.on(Odd, ({ payload }) => handled.push(payload), { name: 'a' }))
      const publisher = bench.bus()
      for (const payload of Object.values(SURVIVE)) await bench.within(publisher.publish(Odd(payload)))
      await bench.clock.advance(10_000)
      expectEqual(
        'the payloads',
        handled.map((payload) => JSON.stringify(payload)),
        Object.values(SURVIVE).map((payload) => JSON.stringify(payload)),
      )
    },
  },
  {
    rules: ['C-42', 'R-DUR-2'],
    title: 'refuses a payload that would come back as another, and says where: Date, bigint, Map, NaN',
    run: async (bench) => {
      const bus = bench.bus()
      for (const [path, payload] of REFUSED) {
        const error = await bench.within(bus.publish(Odd(payload))).then(
          () => undefined,
          (refused: unknown) => refused as { readonly code: string; readonly message: string },
        )
        expectEqual(`the code for ${path}`, error?.code, 'INVALID_PAYLOAD')
        expectTrue(`the message names ${path}`, error?.message.includes(`'${path}'`) ?? false)
      }
      expectEqual('what is stored', await bench.stored(), 0)
    },
  },
]
