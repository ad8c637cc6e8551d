import { SpanStatusCode, trace } from '@opentelemetry/api'
import type { Services } from './services.ts'

const tracer = trace.getTracer('shop')

/** Gives each call of a service a span, as the instrumentation of an HTTP client does. It nests in that of the handler. */
export const tracedServices = (services: Services): Services => ({
  reserve: (...call) => traced('warehouse: reserve', () => services.reserve(...call)),
  orderMore: (...call) => traced('warehouse: order more', () => services.orderMore(...call)),
  sendMail: (...call) => traced('mail: send', () => services.sendMail(...call)),
  askForReview: (...call) => traced('reviews: ask', () => services.askForReview(...call)),
})

const traced = <Result>(name: string, work: () => Promise<Result>): Promise<Result> =>
  tracer.startActiveSpan(name, async (span) => {
    try {
      return await work()
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message })
      throw error
    } finally {
      span.end()
    }
  })
