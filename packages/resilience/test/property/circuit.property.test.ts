import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Circuit, type Permit } from '../../src/circuit.ts'
import { circuitPolicy } from '../../src/circuit-options.ts'

type Step =
  | { readonly is: 'call' }
  | { readonly is: 'end'; readonly which: number; readonly how: 'succeeded' | 'failed' | 'returned' }
  | { readonly is: 'pass'; readonly ms: number }

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.constant({ is: 'call' as const }),
  fc.record({
    is: fc.constant('end' as const),
    which: fc.nat(10),
    how: fc.constantFrom('succeeded' as const, 'failed' as const, 'failed' as const, 'returned' as const),
  }),
  fc.record({ is: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 1500 }) }),
)

const OPEN_MS = 1000

it('fault 1, fault 17: whatever happens, open lets nothing through, half-open only its probes, and it never stays shut', () => {
  const anyLimits = fc.record({ consecutive: fc.integer({ min: 1, max: 5 }), probes: fc.integer({ min: 1, max: 3 }) })
  fc.assert(
    fc.property(anyLimits, fc.array(anyStep, { maxLength: 200 }), ({ consecutive, probes }, steps) => {
      let now = 0
      let inARow = 0
      let openedAt = -Infinity
      const host = {
        now: () => now,
        changed: ({ state }: Circuit) => {
          openedAt = state.is === 'open' ? now : openedAt
          inARow = 0
        },
      }
      const circuit = new Circuit('c', circuitPolicy({ consecutive, probes, openForMs: OPEN_MS }), host)
      const calls: { readonly permit: Permit; readonly wasClosed: boolean }[] = []
      const act: { readonly [Kind in Step['is']]: (step: Step & { readonly is: Kind }) => void } = {
        pass: ({ ms }) => void (now += ms),
        call: () => {
          const wasOpen = circuit.state.is === 'open' && now < openedAt + OPEN_MS
          const permit = circuit.acquire()
          expect(permit !== undefined && wasOpen).toBe(false)
          calls.push(...(permit === undefined ? [] : [{ permit, wasClosed: circuit.isClosed }]))
        },
        end: ({ which, how }) => {
          const [call] = calls.splice(which, 1)
          const counted = how === 'failed' ? circuit.failed.bind(circuit) : circuit[how].bind(circuit)
          counted(call?.permit ?? -1, new Error('no luck'))
        },
      }
      for (const step of steps) {
        act[step.is](step as never)
        const { state } = circuit
        const probing = state.is === 'half-open' ? state.probing + state.succeeded : 0
        expect(probing).toBeLessThanOrEqual(probes)
        expect(state.is === 'closed' ? state.consecutiveFailures : inARow).toBeLessThan(consecutive)
      }
      // Whatever is still at work and never heard of: it closes again once calls succeed.
      for (let round = 0; round < 3 && !circuit.isClosed; round++) {
        now += OPEN_MS
        for (let probe = 0; probe < probes; probe++) circuit.succeeded(circuit.acquire() ?? -1)
      }
      expect(circuit.isClosed).toBe(true)
    }),
  )
})
