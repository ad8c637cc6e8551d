/** Resolves when the condition holds. */
export const until = async (condition: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> => {
  const deadline = performance.now() + withinMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`it did not happen within ${withinMs / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
