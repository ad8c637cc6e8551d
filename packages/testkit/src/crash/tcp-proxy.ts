import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Where the server is that is stood in for. */
export interface TcpTarget {
  readonly port: number
  /** Default `127.0.0.1`. */
  readonly host?: string | undefined
}

/**
 * Stands between a client and a server, and makes trouble: connections that break, and a server that says nothing any more. Give the
 * client its `port`. *Concurrency*: any number of connections. Dispose it in the end.
 */
export class TcpProxy implements AsyncDisposable {
  readonly port: number
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #isCut = false
  #isHeld = false

  private constructor(server: Server, target: TcpTarget) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (client) => this.#connected(client, target))
  }

  /** Resolves when clients can connect. */
  static async to(target: TcpTarget): Promise<TcpProxy> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new TcpProxy(server, target)
  }

  /** Breaks every connection, and every new one, until `restore`. */
  cut(): void {
    this.#isCut = true
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy()
  }

  /** Passes nothing on, in either direction, and breaks nothing, until `restore`: as a server that was stopped by SIGSTOP. */
  hold(): void {
    this.#isHeld = true
    for (const pair of this.#pairs) for (const socket of pair) socket.pause()
  }

  /** All is well again: what was held is passed on. */
  restore(): void {
    this.#isCut = false
    this.#isHeld = false
    for (const pair of this.#pairs) for (const socket of pair) socket.resume()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }

  #connected(client: Socket, { port, host = '127.0.0.1' }: TcpTarget): void {
    if (this.#isCut) {
      client.on('error', ignore)
      client.resetAndDestroy()
      return
    }
    const pair = [client, connect({ port, host })] as const
    this.#pairs.add(pair)
    for (const [from, to] of [pair, pair.toReversed()] as [Socket, Socket][]) {
      from.on('data', (chunk) => to.write(chunk))
      from.on('end', () => to.end())
      // The end of one is the end of the other.
      from.on('error', ignore)
      from.on('close', () => {
        to.destroy()
        this.#pairs.delete(pair)
      })
      if (this.#isHeld) from.pause()
    }
  }
}

const ignore = (): void => {}
