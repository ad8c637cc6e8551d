import fc from 'fast-check'
import pg from 'pg'
import { expect, inject, it, onTestFinished } from 'vitest'
import { keyArray, textArray } from '../src/array-literal.ts'

const connect = async (): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: inject('connectionString') })
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

it('reads back every text that a database keeps, also null', async () => {
  const client = await connect()
  const text = fc.oneof(
    fc.string({ unit: 'binary' }).map((any) => any.replaceAll('\0', '').toWellFormed()),
    fc.json(),
    fc.constantFrom(
      '',
      'null',
      'NULL',
      '{}',
      '\\',
      '"',
      '\\"',
      '\\n',
      '\n',
      '\t\b',
      '{"a":"\\u0000\\n"}',
      ' a ',
      ',',
      '😀',
    ),
    fc.constant(null),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(text, { maxLength: 8 }), async (texts) => {
      const { rows } = await client.query<{ texts: unknown }>('select to_json($1::text[]) as texts', [textArray(texts)])
      expect(rows[0]!.texts).toEqual(texts)
    }),
    { numRuns: 500 },
  )
})

it('reads back keys', async () => {
  const client = await connect()
  const { rows } = await client.query<{ keys: unknown }>('select $1::bigint[]::text[] as keys', [
    keyArray(['1', '999999999999999999']),
  ])
  expect(rows[0]!.keys).toEqual(['1', '999999999999999999'])
})
