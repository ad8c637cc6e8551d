import { spawnSync } from 'node:child_process'
import path from 'node:path'

const folder = path.join(import.meta.dirname, '..')

/** Milliseconds that the first `import` of a package takes in a fresh process. */
export const importTimeOf = (specifier: string): number => {
  const code = `const before = performance.now()
    await import(${JSON.stringify(specifier)})
    process.stdout.write(String(performance.now() - before), () => process.exit())`
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: folder,
    encoding: 'utf8',
  })
  const ms = Number(stdout)
  if (status !== 0 || !(ms > 0)) throw new Error(`import of '${specifier}' failed: ${stderr}`)
  return ms
}
