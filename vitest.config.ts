import { globSync } from 'node:fs'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

const source = ['@buslane/source']

/** One project per package, since each has its own tsconfig. Vitest runs `tsc` for it. */
const typeTests = globSync('packages/*/tsconfig.json').map((tsconfig): TestProjectInlineConfiguration => {
  const folder = tsconfig.replace('/tsconfig.json', '')
  return {
    extends: true,
    test: {
      name: `types:${folder.replace('packages/', '')}`,
      include: [],
      typecheck: { enabled: true, only: true, tsconfig, include: [`${folder}/test/**/*.test-d.ts`] },
    },
  }
})

export default defineConfig({
  // Tests see the sources of the workspace, users see the build.
  resolve: { conditions: source },
  ssr: { resolve: { conditions: source } },
  // `using` is newer than Node 22.
  oxc: { target: 'es2023' },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{packages,examples}/*/test/**/*.test.ts', 'benchmarks/test/*.test.ts'],
          exclude: ['**/node_modules/**', '**/*.integration.test.ts'],
          // Time is virtual, so a test is as slow as the machine: this is for what hangs.
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['packages/*/test/**/*.integration.test.ts'],
          globalSetup: ['packages/persistence-postgres/test/support/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      ...typeTests,
    ],
  },
})
