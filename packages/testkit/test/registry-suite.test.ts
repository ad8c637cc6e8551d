import { createHandlerRegistry, type HandlerRegistry } from '@buslane/core'
import { registryConformance, type RegistryHarness } from '@buslane/testkit/conformance'
import { describe, expect, it } from 'vitest'
import { brokenRegistries, changedRegistry } from './support/broken-registries.ts'

registryConformance('The registry of core', { create: createHandlerRegistry }, { describe, it })

/** Only the base API of a full one. */
function baseOnly(): HandlerRegistry {
  const full = createHandlerRegistry()
  return {
    contract: full.contract,
    registerCommandHandler: (registration) => full.registerCommandHandler(registration),
    registerEventHandler: (registration) => full.registerEventHandler(registration),
    getCommandHandler: (type, sessionId) => full.getCommandHandler(type, sessionId),
    getEventHandlers: (type, sessionId) => full.getEventHandlers(type, sessionId),
    unregisterSession: (sessionId) => full.unregisterSession(sessionId),
  }
}

const absent = { priorities: 'not needed', removal: 'not needed', patterns: 'not needed', changes: 'not needed' }

registryConformance('A registry with the base API', { create: baseOnly, absent }, { describe, it })

/** The tests that the suite declares, by the id of the check. */
function declared(
  harness: RegistryHarness,
): ReadonlyMap<string, { readonly skip: boolean; readonly run: () => Promise<void> }> {
  const tests = new Map<string, { readonly skip: boolean; readonly run: () => Promise<void> }>()
  registryConformance('x', harness, {
    describe: (_, body) => body(),
    it: (title, { skip }, run) => void tests.set(title.split(' ')[0]!, { skip, run }),
  })
  return tests
}

describe('a registry that', () => {
  it.each(brokenRegistries)('$fault is rejected by $check', async ({ check, overrides }) => {
    const test = declared({ create: () => changedRegistry(overrides) }).get(check)
    await expect(test?.run()).rejects.toMatchObject({ message: expect.any(String) })
  })

  it('has no fault passes every check when it is wrapped like the broken ones', async () => {
    for (const { run } of declared({ create: () => changedRegistry() }).values()) await run()
  })

  it('lacks what it does not declare absent is rejected', async () => {
    await expect(declared({ create: baseOnly }).get('REG-11')?.run()).rejects.toThrow('`priorities`')
  })

  it('has what it declares absent is rejected', async () => {
    const harness = { create: createHandlerRegistry, absent: { patterns: 'none' } }
    await expect(declared(harness).get('REG-01')?.run()).rejects.toThrow('`patterns`, which is declared absent')
  })

  it('declares an extension absent skips its checks', () => {
    const skipped = [...declared({ create: baseOnly, absent })].filter(([, { skip }]) => skip)
    expect(skipped).toHaveLength(11)
  })
})
