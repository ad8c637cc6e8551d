import type { Section } from '../harness/section.ts'

export const embedded: Section = {
  name: 'embedded',
  title: 'Durable, on PGlite',
  about: 'Postgres inside the process, in memory. One connection, so a statement waits for the one before.',
  rounds: { quick: 1, normal: 3, full: 5 },
  tasks: () => [
    { name: 'embedded', measure: async (setting) => (await import('../durable/embedded.ts')).embedded(setting) },
  ],
}
