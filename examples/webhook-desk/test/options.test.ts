import { describe, expect, it } from 'vitest'
import { OptionError, readOptions } from '../src/options.ts'

describe('readOptions', () => {
  it('has defaults', () => {
    expect(readOptions([])).toEqual({ rate: 0, concurrency: 100, seed: 1, repeat: 1, help: false })
  })

  it('reads every option', () => {
    expect(readOptions(['--rate', '0.5', '--concurrency=3', '--seed', '7', '--repeat', '2', '-h'])).toEqual({
      rate: 0.5,
      concurrency: 3,
      seed: 7,
      repeat: 2,
      help: true,
    })
  })

  it('passes over the dashes that `pnpm demo -- --seed 2` hands on', () => {
    expect(readOptions(['--', '--seed', '2']).seed).toBe(2)
  })

  it.each([
    [['--rate', 'fast'], "--rate must be a number from 0, not 'fast'"],
    [['--rate', 'Infinity'], "--rate must be a number from 0, not 'Infinity'"],
    [['--rate=-5'], "--rate must be a number from 0, not '-5'"],
    [['--rate', '-5'], "use '--rate=-XYZ'"],
    [['--rate'], "Option '--rate <value>' argument missing"],
    [['--concurrency', '0'], "--concurrency must be a whole number from 1, not '0'"],
    [['--concurrency', '1.5'], "--concurrency must be a whole number from 1, not '1.5'"],
    [['--seed='], "--seed must be a whole number from 0, not ''"],
    [['--repeat', '1001'], "--repeat must be a whole number from 1 up to 1000, not '1001'"],
    [['--sped', '1'], "Unknown option '--sped'"],
    [['extra'], "Unexpected argument 'extra'"],
  ])('refuses %j and says why', (words, message) => {
    expect(() => readOptions(words)).toThrow(OptionError)
    expect(() => readOptions(words)).toThrow(message)
  })
})
