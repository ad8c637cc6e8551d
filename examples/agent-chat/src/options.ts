import { parseArgs } from 'node:util'

export interface Options {
  readonly chat: string
  readonly data: string
  readonly help: boolean
}

export const usage = `Usage: pnpm start [options]

A chat with an agent that has tools. Whatever happens to the process, the next
one goes on where it was.

  --chat <name>     which conversation (default: main)
  --data <folder>   where everything is kept (default: data)
  --help            shows this

While it runs: Ctrl-C interrupts the agent, /quit or Ctrl-D ends the program.`

/** The options, or what is wrong with them. */
export function readOptions(words: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      // pnpm and npm hand the dashes on.
      args: words.filter((word) => word !== '--'),
      options: {
        chat: { type: 'string', default: 'main' },
        data: { type: 'string', default: 'data' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    return values
  } catch (error) {
    return (error as Error).message
  }
}
