/** Ends the process in good order when it is asked to, by Ctrl-C or by what runs it; once, however often it is asked. */
export function onShutdown(shutDown: () => Promise<void>): void {
  let asked = false
  const handle = async (): Promise<void> => {
    if (asked) return
    asked = true
    try {
      await shutDown()
    } catch (error) {
      console.error(error)
      process.exitCode = 1
    }
  }
  process.on('SIGTERM', () => void handle())
  process.on('SIGINT', () => void handle())
}
