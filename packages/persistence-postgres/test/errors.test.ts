import { BusError } from '@buslane/core'
import { describe, expect, it } from 'vitest'
import { isReadOnly, retrying, storeError } from '../src/errors.ts'

const failure = (code: string, message = 'it failed'): Error => Object.assign(new Error(message), { code })

describe('storeError', () => {
  it.for([
    ['a refused connection', failure('ECONNREFUSED'), true],
    ['a connection that ended', new Error('Connection terminated unexpectedly'), true],
    ['a shutdown', failure('57P01'), true],
    ['a server that starts', failure('57P03'), true],
    ['too many connections', failure('53300'), true],
    ['a full disk', failure('53100'), true],
    ['a read-only standby', failure('25006'), true],
    ['a deadlock that came again', failure('40P01'), true],
    ['a missing table', failure('42P01'), false],
    ['a missing right', failure('42501'), false],
    ['a text with a NUL', failure('22021'), false],
    ['a key that is too long for an index', failure('54000'), false],
  ] as const)('of %s says whether trying again may help', ([, error, retryable]) => {
    const made = storeError(error)
    expect(made).toMatchObject({
      code: retryable ? 'PERSISTENCE_UNAVAILABLE' : 'STORE_FAILED',
      retryable,
      cause: error,
    })
  })

  it('of an error of the bus is that error', () => {
    const error = new BusError('INVALID_ARGUMENT', 'no')
    expect(storeError(error)).toBe(error)
  })

  it('tells what is thrown that is no error', () => {
    expect(storeError('nonsense').message).toContain('nonsense')
  })
})

describe('retrying', () => {
  it.for(['40001', '40P01'])('C-69 runs again what gave way to another transaction: %s', async (code) => {
    let runs = 0
    const value = await retrying(async () => {
      runs++
      if (runs < 3) throw failure(code)
      return 'done'
    })
    expect([value, runs]).toEqual(['done', 3])
  })

  it('C-69 gives up after 25 runs', async () => {
    let runs = 0
    const error = failure('40001')
    const attempt = async (): Promise<never> => {
      runs++
      throw error
    }
    await expect(retrying(attempt)).rejects.toBe(error)
    expect(runs).toBe(25)
  })

  it('does not run again what failed for another reason', async () => {
    let runs = 0
    const attempt = async (): Promise<never> => {
      runs++
      throw failure('08006')
    }
    await expect(retrying(attempt)).rejects.toMatchObject({ code: '08006' })
    expect(runs).toBe(1)
  })
})

it('C-66 knows a connection to a standby', () => {
  expect([isReadOnly(failure('25006')), isReadOnly(failure('25001')), isReadOnly(undefined)]).toEqual([
    true,
    false,
    false,
  ])
})
