// Publishes what is due in a while, forgets everything as a killed process does, and handles it in the next one.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createBus, defineEvent } from '@buslane/core'
import { sqlitePersistence } from './sqlite-persistence.ts'

const Reminded = defineEvent<{ readonly who: string }>('reminded', { durable: true })

const folder = mkdtempSync(path.join(tmpdir(), 'own-store-'))
const file = path.join(folder, 'events.db')
const quiet = { debug() {}, info() {}, warn() {}, error() {} }

const first = createBus({ persistence: sqlitePersistence({ file }), logger: quiet })
await first.schedule(Reminded({ who: 'Ada' }), { delayMs: 50 })
await first.publish(Reminded({ who: 'Grace' }))
await first.stop()

const second = createBus({ persistence: sqlitePersistence({ file }) })
const reminded: string[] = []
const both = Promise.withResolvers<void>()
second.on(
  Reminded,
  ({ payload }) => {
    reminded.push(payload.who)
    if (reminded.length === 2) both.resolve()
  },
  { name: 'remind' },
)
await second.start()
await both.promise
await second.stop()
rmSync(folder, { recursive: true })

if (reminded.join() !== 'Grace,Ada') throw new Error(`These were reminded: ${reminded.join()}`)
console.log('Grace and Ada were reminded by another store than took the messages.')
