import { describe, expect, it } from 'vitest'
import { OptionError, readOptions } from '../src/options.ts'

const defaults = {
  rate: 0,
  concurrency: 100,
  seed: 1,
  repeat: 1,
  data: undefined,
  databaseUrl: undefined,
  crash: false,
  kills: 0,
  help: false,
}

describe('readOptions', () => {
  it('has defaults', () => {
    expect(readOptions([])).toEqual(defaults)
  })

  it('reads every option', () => {
    const words = ['--rate', '0.5', '--concurrency=3', '--seed', '7', '--repeat', '2', '--data', 'desk', '-h']
    expect(readOptions([...words, '--database-url', 'postgres://host/db', '--crash', '--kills', '2'])).toEqual({
      rate: 0.5,
      concurrency: 3,
      seed: 7,
      repeat: 2,
      data: 'desk',
      databaseUrl: 'postgres://host/db',
      crash: true,
      kills: 2,
      help: true,
    })
  })

  it('kills four times unless it is told how often', () => {
    expect(readOptions(['--crash'])).toEqual({ ...defaults, crash: true, kills: 4 })
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
    [['--kills', '2'], '--kills needs --crash'],
    [['--crash', '--kills', '0'], "--kills must be a whole number from 1 up to 100, not '0'"],
    [['--data='], '--data must name a folder'],
    [['--database-url', 'localhost'], '--database-url must be like postgres://user:password@host:5432/database'],
    [['--sped', '1'], "Unknown option '--sped'"],
    [['extra'], "Unexpected argument 'extra'"],
  ])('refuses %j and says why', (words, message) => {
    expect(() => readOptions(words)).toThrow(OptionError)
    expect(() => readOptions(words)).toThrow(message)
  })
})
