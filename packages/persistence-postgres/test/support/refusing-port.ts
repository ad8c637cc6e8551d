import { once } from 'node:events'
import { createServer } from 'node:net'

/** Stands where a server was, counts who knocks, and lets nobody in. */
export const refusingPort = async (
  connectionString: string,
): Promise<{ readonly attempts: () => number } & AsyncDisposable> => {
  let attempts = 0
  const server = createServer((socket) => {
    attempts++
    socket.destroy()
  })
  server.listen(Number(new URL(connectionString).port), '127.0.0.1')
  await once(server, 'listening')
  return {
    attempts: () => attempts,
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}
