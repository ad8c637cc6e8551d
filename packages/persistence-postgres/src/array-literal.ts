/** Control characters, and halves of surrogate pairs among others: JSON writes them in a way that Postgres reads as another text. */
// oxlint-disable-next-line no-control-regex -- these are what it looks for
const UNLIKE_JSON = /[\0-\u001f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

/**
 * Texts as a literal of `text[]`. What the driver makes of an array costs several times as much, and as much memory again as the texts: it
 * is put together piece by piece, while a text in JSON is written at once and nearly the same.
 */
export const textArray = (texts: readonly (string | null)[]): string => {
  if (texts.some((text) => text !== null && UNLIKE_JSON.test(text))) return `{${texts.map(quoted).join(',')}}`
  return `{${JSON.stringify(texts).slice(1, -1)}}`
}

/** Keys, which have nothing that must be quoted, as a literal of `bigint[]`. */
export const keyArray = (keys: readonly string[]): string => `{${keys.join(',')}}`

const quoted = (text: string | null): string =>
  text === null ? 'null' : `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
