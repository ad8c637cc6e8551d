import type { Plugin } from '@buslane/core'

/**
 * Stands in for `@buslane/resilience`: retries every handler once, and reports by the names that telemetry knows. It shows
 * that two plugins need not know each other for one to show what the other does.
 */
export const resilienceStandIn = (): Plugin => ({
  name: 'resilience-stand-in',
  install(host) {
    const { signals } = host
    const failures = new Map<string, number>()
    host.onFailure(({ attempts, message: { type }, handler }) => {
      if (attempts < 2) return { action: 'retry', delayMs: 10 }
      if (!failures.has(handler)) {
        signals.gauge('buslane.circuit.state', () => (failures.get(handler)! > 10 ? 2 : 0), { type, handler })
        signals.report('buslane.circuit.changes', 0, { type, handler, state: 'open' })
        signals.report('buslane.handler.runaways', 0, { type, handler })
      }
      failures.set(handler, (failures.get(handler) ?? 0) + 1)
      signals.report('buslane.dead_letters', 1, { type, reason: 'failed' })
      return { action: 'fail' }
    })
    signals.gauge('buslane.dead_letters.waiting', () => sum(failures.values()), { reason: 'failed' })
    signals.gauge('buslane.intake.paused', () => 0, { type: 'security.alert' })
  },
})

const sum = (counts: Iterable<number>): number => [...counts].reduce((total, count) => total + count, 0)
