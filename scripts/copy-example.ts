/**
 * Copies an example out of the repository, as the beginning of a project of one's own:
 *
 *   node scripts/copy-example.ts orders-api ../my-orders
 *
 * Our packages come along as tarballs, in its folder `packages`. Run it after `pnpm build`.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { copyExample, packAll } from './copied-example.ts'
import { packagesUnder, publicPackages } from './workspace.ts'

const examples = packagesUnder('examples')
const [name = '', target = ''] = process.argv.slice(2)
const example = examples.find((pkg) => path.basename(pkg.path) === name)
// pnpm runs scripts in the root of the workspace; a relative path is meant from where the user is.
const folder = path.resolve(process.env['INIT_CWD'] ?? '.', target)

if (example === undefined || target === '') {
  console.error(`Usage: pnpm copy-example <example> <folder>
Examples: ${examples.map((pkg) => path.basename(pkg.path)).join(', ')}`)
  process.exit(2)
}
if (existsSync(folder) && readdirSync(folder).length > 0) {
  console.error(`${folder} is not empty: name a folder that is new.`)
  process.exit(2)
}

const { dependencies, devDependencies } = example.manifest
const needed = publicPackages().filter(({ manifest }) => manifest.name in { ...dependencies, ...devDependencies })
const tarballs = path.join(folder, 'packages')
mkdirSync(tarballs, { recursive: true })
copyExample(example, folder, packAll(needed, tarballs))
console.log(`Copied to ${folder}. Next, in there: npm install, then npm run check and npm start.`)
