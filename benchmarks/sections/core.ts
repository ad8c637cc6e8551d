import type { Section } from '../harness/section.ts'
import type { Shape } from '../in-process/handlers.ts'
import { commandTasks } from '../in-process/commands-contest.ts'
import { type EventsContest, tasksOf } from '../in-process/events-contest.ts'

const shape = (handlers: number, groups: number, style: Shape['style']): Shape => ({ handlers, groups, style })
const threeAsync = shape(3, 3, 'async')
const threeSync = shape(3, 3, 'sync')

const contests: readonly EventsContest[] = [
  {
    name: 'publish and drain, 3 async handlers, 3 groups',
    verb: 'drain',
    shape: threeAsync,
    against: {
      'bare awaits': { goal: 0.8 },
      emittery: { goal: 2 },
      hookable: { goal: 2 },
      moleculer: { goal: 2 },
      abxbus: { goal: 2 },
      '@nestjs/cqrs': {},
      effect: {},
      'node:events': {},
      eventemitter3: {},
      mitt: {},
    },
  },
  {
    name: 'publish and drain, 3 sync handlers, 3 groups',
    verb: 'drain',
    shape: threeSync,
    against: { 'plain calls': {}, 'node:events': {}, eventemitter3: {}, mitt: {}, emittery: {}, hookable: {} },
    againstOurselves: { name: '3 async handlers', shape: threeAsync, goal: 2 },
  },
  {
    name: 'publish and drain, 1 async handler',
    verb: 'drain',
    shape: shape(1, 1, 'async'),
    against: { 'bare awaits': {}, emittery: {}, eventemitter3: {} },
  },
  {
    name: 'publish and drain, 3 async handlers, 1 group',
    verb: 'drain',
    shape: shape(3, 1, 'async'),
    against: { 'bare awaits': {}, emittery: {}, hookable: {} },
  },
  {
    name: 'publish and drain, 10 async handlers, 3 groups',
    verb: 'drain',
    shape: shape(10, 3, 'async'),
    against: { 'bare awaits': {}, emittery: {} },
  },
  {
    name: 'publish and drain, 10 async handlers, 1 group',
    verb: 'drain',
    shape: shape(10, 1, 'async'),
    against: { 'bare awaits': {}, emittery: {}, hookable: {} },
  },
  {
    name: 'publish and drain, 10 sync handlers, 3 groups',
    verb: 'drain',
    shape: shape(10, 3, 'sync'),
    against: { 'plain calls': {}, 'node:events': {} },
  },
  {
    name: 'publish and drain, 3 middleware around 3 async handlers',
    verb: 'drain',
    shape: threeAsync,
    middleware: 3,
    against: {},
    againstOurselves: { name: 'without middleware' },
  },
  {
    name: 'publish and drain, 1,000 sessions in turn, 3 async handlers',
    verb: 'drain',
    shape: threeAsync,
    sessions: 1000,
    against: {},
    // A cost of at most 1.5 times.
    againstOurselves: { name: 'one session', goal: 1 / 1.5 },
  },
  {
    name: 'await each publish, 3 async handlers, 3 groups',
    verb: 'await',
    shape: threeAsync,
    against: { 'bare awaits': {} },
  },
  {
    name: 'publish and wait, 3 async handlers, 3 groups',
    verb: 'wait',
    shape: threeAsync,
    against: { 'bare awaits': {}, emittery: { goal: 1 }, hookable: {}, moleculer: {}, abxbus: {} },
  },
  {
    name: 'publish and wait, 3 sync handlers, 3 groups',
    verb: 'wait',
    shape: threeSync,
    against: { 'plain calls': {}, emittery: {}, hookable: {} },
  },
]

/** Publishing and executing in one process, beside limits and what people use today. */
export const core: Section = {
  name: 'core',
  title: 'In one process',
  about:
    'Nanoseconds per event or command. Both sides of a line take turns in a process of their own and call the same handlers, and the count of their calls is checked. ' +
    'Publish and drain: a thousand publishes, then a wait until they are handled. Peers that wait for no promise are there to show what that costs.',
  rounds: { quick: 2, normal: 9, full: 21 },
  tasks: () => [...contests.flatMap(tasksOf), ...commandTasks],
}
