/** Tells listeners that something may have become ready: once for all that happens in one turn, after it has happened. */
export class Hints {
  readonly #listeners = new Set<{ readonly call: () => void }>()
  #pending = false

  listen(listener: () => void): Disposable {
    const entry = { call: listener }
    this.#listeners.add(entry)
    return { [Symbol.dispose]: () => void this.#listeners.delete(entry) }
  }

  give(): void {
    if (this.#pending || this.#listeners.size === 0) return
    this.#pending = true
    queueMicrotask(() => {
      this.#pending = false
      for (const { call } of this.#listeners) {
        try {
          call()
        } catch {
          // A hint may be lost: whoever cannot take it polls. It must fail neither the store nor another listener.
        }
      }
    })
  }
}
