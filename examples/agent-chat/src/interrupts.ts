/** What the user can stop, by chat. */
export class Interrupts {
  readonly #controllers = new Map<string, AbortController>()

  /** Raised by the next interrupt of this chat. */
  signalOf(chat: string): AbortSignal {
    const controller = this.#controllers.get(chat) ?? new AbortController()
    this.#controllers.set(chat, controller)
    return controller.signal
  }

  /** Stops what goes on in the chat. What comes later is not concerned. */
  interrupt(chat: string): void {
    this.#controllers.get(chat)?.abort()
    this.#controllers.delete(chat)
  }
}
