/** `node scripts/clean.ts dist`: removes folders of the current package, so that a build holds nothing stale. */
import { rmSync } from 'node:fs'

for (const folder of process.argv.slice(2)) rmSync(folder, { recursive: true, force: true })
