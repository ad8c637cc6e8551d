/** Above so many, error types are reported as `_OTHER`: an error's name may hold anything. */
const MAX_ERROR_TYPES = 100

/** Names errors for `error.type`: by their code, or by their class. Few names, whatever is thrown. */
export class ErrorTypes {
  readonly #known = new Set<string>()

  of(error: unknown): string {
    const type = nameOf(error)
    if (this.#known.has(type)) return type
    if (this.#known.size >= MAX_ERROR_TYPES) return '_OTHER'
    this.#known.add(type)
    return type
  }
}

const nameOf = (error: unknown): string => {
  try {
    if (!(error instanceof Error)) return '_OTHER'
    const { code, cause } = error as { code?: unknown; cause?: unknown }
    // What a command's handler threw says more than that it threw.
    if (code === 'HANDLER_FAILED' && cause !== undefined) return nameOf(cause)
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code)) return code
    return typeof error.name === 'string' && /^\w{1,64}$/.test(error.name) ? error.name : '_OTHER'
  } catch {
    // Errors may throw while they are looked at; they have a type all the same.
    return '_OTHER'
  }
}
