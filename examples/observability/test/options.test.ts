import { describe, expect, it } from 'vitest'
import { OptionError, readOptions } from '../src/options.ts'

describe('readOptions', () => {
  it('has defaults that differ with --once', () => {
    expect(readOptions([])).toEqual({ once: false, help: false, otlp: undefined, rate: 5, port: 9464 })
    expect(readOptions(['--', '--once'])).toMatchObject({ once: true, rate: 0, port: 0 })
  })

  it.each([['--rate', 'fast'], ['--port', '70000'], ['--otlp', 'nowhere'], ['--nope']])(
    'refuses %s %s',
    (...words: readonly string[]) => {
      expect(() => readOptions(words)).toThrow(OptionError)
    },
  )
})
