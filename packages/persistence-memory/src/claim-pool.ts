import { LazyHeap } from './lazy-heap.ts'
import { beforeAmongLanes, type Offer, type Row } from './stored-row.ts'

/** The offers of one type and version. Serial ones are apart, so that a claim that wants no more of them skips them all. */
export interface TypeQueue {
  readonly typeKey: string
  readonly serial: boolean
  readonly offers: LazyHeap<Offer>
}

/** One text for a type and a version. */
export const typeKeyOf = ({ type, version }: { readonly type: string; readonly version: number }): string =>
  `${version} ${type}`

const isOffered = (offer: Offer): boolean => offer.row.offer === offer

/**
 * What can be claimed by the same workers: events without a lane, and the heads of lanes. One queue for each type, so that
 * types which are held back or unknown cost a claim nothing, however many of them wait.
 */
export class ClaimPool {
  readonly #queues = new Map<string, TypeQueue>()

  offer(row: Row): Offer {
    const offer = { row, orderKey: row.orderKey }
    row.offer = offer
    this.#queueOf(row).offers.push(offer)
    return offer
  }

  /** The queues that are not empty. */
  *queues(): Generator<TypeQueue, undefined> {
    for (const [key, queue] of this.#queues) {
      if (queue.offers.peek()) yield queue
      else this.#queues.delete(key)
    }
  }

  #queueOf({ message, serial }: Row): TypeQueue {
    const typeKey = typeKeyOf(message)
    const key = serial ? `serial ${typeKey}` : typeKey
    let queue = this.#queues.get(key)
    if (!queue) {
      queue = { typeKey, serial, offers: new LazyHeap(beforeAmongLanes, isOffered) }
      this.#queues.set(key, queue)
    }
    return queue
  }
}
