// Builds the page, opens it in a real browser, and uses it.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { build, type InlineConfig, preview } from 'vite'
import { launchChromium } from './chromium.ts'

const root = path.dirname(import.meta.dirname)
/** What a check exits with that cannot run on this machine. */
const SKIPPED = 77

const textOf = (page: Page, selector: string): Promise<string> => page.locator(selector).innerText()

/** Waits until the page says so. */
const says = (page: Page, text: string): Promise<void> => page.getByText(text, { exact: false }).first().waitFor()

async function useThePage(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Tea' }).click()
  await page.getByRole('button', { name: 'Cake' }).click()
  await says(page, '2 saved')
  assert.equal(await textOf(page, '#total'), '10.00')
  console.log('ok  what is added is drawn, and then saved')

  await page.reload()
  await says(page, '2 saved')
  assert.equal(await page.locator('li').count(), 2)
  console.log('ok  the cart is there again after a reload')

  await page.locator('li', { hasText: 'Cake' }).getByRole('button', { name: 'Remove' }).click()
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.locator('li', { hasText: 'tea' }).getByRole('button', { name: 'Remove' }).click()
  await says(page, '1 saved')
  assert.match(await textOf(page, 'li'), /^cake/)
  console.log('ok  a removal is scheduled, and can be undone until then')

  await redeem(page, 'AUTUMN')
  await says(page, 'There is no coupon AUTUMN.')
  await redeem(page, 'SPRING')
  await says(page, '25 % off')
  await says(page, '4.50')
  console.log('ok  a command answers with its result, or with what went wrong')
}

async function redeem(page: Page, code: string): Promise<void> {
  await page.getByPlaceholder('Coupon').fill(code)
  await page.getByRole('button', { name: 'Redeem' }).click()
}

async function check(folder: string): Promise<void> {
  await using browser = await launchChromium(folder)
  if (browser === undefined) {
    console.log('skipped, no Chromium: set BUSLANE_TEST_BROWSER to one')
    process.exitCode = SKIPPED
    return
  }
  const bundle = { root, build: { outDir: path.join(folder, 'page') }, logLevel: 'error' } as const
  await build(bundle)
  await using server = await serve(bundle)
  const page = await browser.newPage()
  page.setDefaultTimeout(10_000)
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(String(error)))
  await page.goto(server.address)
  await useThePage(page)
  assert.deepEqual(errors, [], 'errors that nobody caught in the page')
}

async function serve(bundle: InlineConfig): Promise<{ address: string } & AsyncDisposable> {
  const server = await preview({ ...bundle, preview: { host: '127.0.0.1', port: 0 } })
  return { address: server.resolvedUrls?.local[0] ?? '', [Symbol.asyncDispose]: () => server.close() }
}

const folder = await mkdtemp(path.join(tmpdir(), 'browser-example-'))
try {
  await check(folder)
} finally {
  await rm(folder, { recursive: true, force: true })
}
