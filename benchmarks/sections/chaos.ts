import type { Section } from '../harness/section.ts'

export const chaos: Section = {
  name: 'chaos',
  title: 'When things die',
  about:
    'A hundred messages a second, each of 20 ms of work, with one worker process per side that is started again when it dies. All sides run at once, so every blow falls on all of them. ' +
    'Peers are set up as for speed; each has options that trade some of it for earlier retries.',
  rounds: { quick: 1, normal: 1, full: 1 },
  needsDatabase: true,
  tasks: () => [
    { name: 'killing', measure: async (setting) => (await import('../chaos/chaos.ts')).killing(setting) },
    { name: 'restarting', measure: async (setting) => (await import('../chaos/chaos.ts')).restarting(setting) },
  ],
}
