import { describe, expect, it } from 'vitest'
import { helpText, readOptions } from '../harness/options.ts'
import type { Section } from '../harness/section.ts'

const section = (name: string): Section => ({
  name,
  title: `Title of ${name}`,
  about: '',
  rounds: { quick: 1, normal: 2, full: 3 },
  tasks: () => [],
})
const sections = [section('core'), section('durable')]
const read = (...words: string[]) => readOptions(words, sections)

describe('the options of pnpm bench', () => {
  it('measures all sections without a word', () => {
    expect(read()).toEqual({
      sections,
      scale: 'normal',
      rounds: undefined,
      only: undefined,
      profiles: false,
      writes: true,
    })
  })

  it('measures the sections named, in their own order, whatever pnpm puts before them', () => {
    expect(read('--', 'durable', 'core', '--full')).toMatchObject({ sections, scale: 'full', writes: true })
    expect(read('durable')).toMatchObject({ sections: [sections[1]] })
  })

  it.each([['--quick'], ['--no-write'], ['--only', 'execute'], ['--cpu-prof']])(
    'keeps no results with %s',
    (...words) => {
      expect(read(...words)).toMatchObject({ writes: false })
    },
  )

  it('takes a number of rounds', () => {
    expect(read('--rounds', '21')).toMatchObject({ rounds: 21 })
  })

  it.each(['0', '1001', '-3', '2.5', 'many', ''])('refuses %j rounds', (rounds) => {
    expect(() => read(`--rounds=${rounds}`)).toThrow(/--rounds must be a whole number from 1 to 1,000/)
  })

  it('refuses a section that is not there, and names those that are', () => {
    expect(() => read('cores')).toThrow("There is no section 'cores'. There are: core, durable")
  })

  it('refuses an option that is not there', () => {
    expect(() => read('--fast')).toThrow(/--fast/)
  })

  it('refuses --full with --quick', () => {
    expect(() => read('--full', '--quick')).toThrow(/exclude each other/)
  })

  it('helps, whatever else is asked for', () => {
    expect(read('core', '--help')).toBe('help')
    expect(helpText(sections)).toContain('Title of durable')
  })
})
