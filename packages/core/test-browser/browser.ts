import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { chromium as playwright, type Browser } from 'playwright-core'

const systemBrowsers: readonly string[] = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
]

/** The page comes from 127.0.0.1, and nothing else is asked for. */
const quiet: readonly string[] = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Chromium from the npm package, unpacked into `folder`. Throws where the package has none for this machine. */
async function packagedBrowser(folder: string): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error('@sparticuz/chromium is for Linux x64')
  // The package unpacks into the folder for temporary files.
  process.env['TMPDIR'] = folder
  const { default: packaged } = await import('@sparticuz/chromium')
  return await packaged.executablePath()
}

export interface FoundBrowser extends AsyncDisposable {
  readonly browser: Browser
  readonly from: string
}

/**
 * Launches BUSLANE_TEST_BROWSER, else an installed Chromium or Chrome, else the one of @sparticuz/chromium.
 * Returns why not, if none of them is here. A browser that was named or is installed and does not start is an error.
 */
export async function launchBrowser(): Promise<FoundBrowser | { readonly missing: string }> {
  const folder = mkdtempSync(path.join(tmpdir(), 'buslane-browser-'))
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true })
  const launch = (executablePath: string): Promise<Browser> =>
    // Playwright gives each launch a fresh profile.
    playwright.launch({ executablePath, args: [...quiet] })
  try {
    const installed = process.env['BUSLANE_TEST_BROWSER'] ?? systemBrowsers.find((file) => existsSync(file))
    const browser = await (installed === undefined
      ? packagedBrowser(folder).then(launch).catch(asMissing)
      : launch(installed))
    if ('missing' in browser) {
      removeFolder()
      return browser
    }
    return {
      browser,
      from: installed ?? '@sparticuz/chromium',
      async [Symbol.asyncDispose]() {
        await browser.close()
        removeFolder()
      },
    }
  } catch (error) {
    removeFolder()
    throw error
  }
}

function asMissing(error: unknown): { missing: string } {
  const [reason] = String(error).split('\n')
  return { missing: `no Chromium: set BUSLANE_TEST_BROWSER to one (${reason})` }
}
