import type { Rival } from '../side.ts'

/** Loaded when they are met, so that a duel's process has nothing in it but its two sides. */
export const rivals = {
  'bare awaits': async () => (await import('./bare-loop.ts')).bareAwaits,
  'plain calls': async () => (await import('./bare-loop.ts')).plainCalls,
  'node:events': async () => (await import('./node-events.ts')).nodeEvents,
  eventemitter3: async () => (await import('./eventemitter3.ts')).eventemitter3,
  mitt: async () => (await import('./mitt.ts')).mittEmitter,
  emittery: async () => (await import('./emittery.ts')).emittery,
  hookable: async () => (await import('./hookable.ts')).hookable,
  '@nestjs/cqrs': async () => (await import('./nest-cqrs.ts')).nestEvents,
  effect: async () => (await import('./effect-pubsub.ts')).effectPubSub,
  moleculer: async () => (await import('./moleculer.ts')).moleculerEvents,
  abxbus: async () => (await import('./abxbus.ts')).abxbus,
} satisfies Readonly<Record<string, () => Promise<Rival>>>

export type RivalName = keyof typeof rivals
