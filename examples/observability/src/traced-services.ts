import type { Services } from '@buslane/example-webhook-desk'
import { SpanStatusCode, trace } from '@opentelemetry/api'

const tracer = trace.getTracer('webhook-desk')

/** Gives each call of a service a span, as the instrumentation of an HTTP client does. It nests in that of the handler. */
export const tracedServices = (services: Services): Services => ({
  writeAudit: (...call) => traced('audit: write', () => services.writeAudit(...call)),
  page: (...call) => traced('pager: page', () => services.page(...call)),
  openIncident: (...call) => traced('incidents: open', () => services.openIncident(...call)),
  informTeam: (...call) => traced('chat: inform', () => services.informTeam(...call)),
  addLabels: (...call) => traced('github: label', () => services.addLabels(...call)),
  sendMail: (...call) => traced('mail: send', () => services.sendMail(...call)),
})

const traced = (name: string, work: () => Promise<void>): Promise<void> =>
  tracer.startActiveSpan(name, async (span) => {
    try {
      await work()
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message })
      throw error
    } finally {
      span.end()
    }
  })
