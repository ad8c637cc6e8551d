import type { Check } from '../check.ts'
import { expectEqual } from '../expect.ts'
import { event } from '../sketches.ts'

/** A message is its id; its payload is kept, and never looked into. */
export const identityChecks: readonly Check[] = [
  {
    id: 'C-42',
    title: 'takes two messages with equal payloads for two',
    rules: ['R-DUR-8'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('a', { payload: '{}' }), event('b', { payload: '{}' }))
      expectEqual('what is claimed', await store.claimIds(await store.join()), ['a', 'b'])
    },
  },
  {
    id: 'C-42b',
    title: 'keeps payload and headers as they are, to the byte, up to a megabyte',
    rules: ['R-DUR-9'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const payloads = [
        '{"b":1,"a":2,"a":3,  "n":1.0e2}',
        '{"text":"\\u0000 \\ud800 \u2028 \u{1f600} é"}',
        'null',
        `"${'x'.repeat(1_048_574)}"`,
        `"'; drop table events; --"`,
      ]
      await store.append(
        ...payloads.map((payload, index) =>
          event(`e${index}`, { payload, headers: payload.slice(0, 1_000), sessionId: `ß\\'"${index}` }),
        ),
      )
      const claimed = (await store.claim(await store.join())).events
      for (const [index, payload] of payloads.entries()) {
        expectEqual(`payload ${index}`, claimed[index]?.message.payload, payload)
        expectEqual(`headers ${index}`, claimed[index]?.message.headers, payload.slice(0, 1_000))
        expectEqual(`session ${index}`, claimed[index]?.message.sessionId, `ß\\'"${index}`)
      }
    },
  },
]
