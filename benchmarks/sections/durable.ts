import type { Section } from '../harness/section.ts'

export const durable: Section = {
  name: 'durable',
  title: 'Durable, on Postgres',
  about:
    'All on one server, with pools of 20 connections; messages of about a hundred bytes. Limits are statements on a table with the same columns and one index. ' +
    'Peers are set up as their documentation advises for throughput: local queues, batches, notifications.',
  rounds: { quick: 1, normal: 3, full: 5 },
  needsDatabase: true,
  tasks: () => [
    { name: 'publishing', measure: async (setting) => (await import('../durable/publishing.ts')).publishing(setting) },
    { name: 'processing', measure: async (setting) => (await import('../durable/processing.ts')).processing(setting) },
    { name: 'latency', measure: async (setting) => (await import('../durable/latency.ts')).latency(setting) },
    { name: 'burden', measure: async (setting) => (await import('../durable/burden.ts')).burden(setting) },
    { name: 'snapshot', measure: async (setting) => (await import('../durable/burden.ts')).snapshot(setting) },
    { name: 'takeover', measure: async (setting) => (await import('../durable/takeover.ts')).takeover(setting) },
  ],
}
