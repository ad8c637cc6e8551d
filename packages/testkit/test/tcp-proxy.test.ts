import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { TcpProxy } from '@buslane/testkit/crash'
import { afterEach, beforeEach, expect, it } from 'vitest'

let server: Server
let proxy: TcpProxy

beforeEach(async () => {
  server = createServer((socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy = await TcpProxy.to({ port: (server.address() as AddressInfo).port })
})

afterEach(async () => {
  await proxy[Symbol.asyncDispose]()
  server.close()
})

const connected = async (): Promise<Socket> => {
  const socket = connect(proxy.port, '127.0.0.1')
  socket.on('error', () => {}) // the proxy breaks it in the end
  await once(socket, 'connect')
  return socket
}

/** What the server echoes. */
const echoed = async (socket: Socket, text: string): Promise<string> => {
  const answer = once(socket, 'data')
  socket.write(text)
  const [data] = (await answer) as [Buffer]
  return data.toString()
}

it('passes on what both say', async () => {
  expect(await echoed(await connected(), 'hello')).toBe('hello')
})

it('breaks connections, refuses new ones, and lets them in again', async () => {
  const socket = await connected()
  await echoed(socket, 'hello')
  const broken = once(socket, 'error')
  proxy.cut()
  await expect(broken).resolves.toMatchObject([{ code: 'ECONNRESET' }])
  const refused = connect(proxy.port, '127.0.0.1')
  await expect(once(refused, 'data')).rejects.toMatchObject({ code: 'ECONNRESET' })
  proxy.restore()
  expect(await echoed(await connected(), 'again')).toBe('again')
})

it('holds everything back, and passes it on afterwards', async () => {
  const socket = await connected()
  await echoed(socket, 'hello')
  proxy.hold()
  const answer = echoed(socket, 'later')
  let isAnswered = false
  void answer.then(() => (isAnswered = true))
  // A connection of its own, without the proxy: by the time this one is answered, that one would be.
  const direct = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await echoed(direct, 'direct')
  direct.destroy()
  expect(isAnswered).toBe(false)
  proxy.restore()
  expect(await answer).toBe('later')
})
