import { defaultClientConditions, defineConfig } from 'vite'

export default defineConfig({
  // In the repository of Buslane it leads to the sources of core. Elsewhere it does nothing: leave it out.
  resolve: { conditions: ['@buslane/source', ...defaultClientConditions] },
})
