import {
  type MeterProvider,
  metrics,
  ProxyTracerProvider,
  trace,
  type TracerProvider,
  createNoopMeter,
} from '@opentelemetry/api'

// Before an SDK is registered, the API hands out providers that do nothing. Whether one has been can only be told by asking again;
// asking takes some ten nanoseconds.

/** What a tracer provider that nobody has registered delegates to. */
const NO_TRACER_PROVIDER = new ProxyTracerProvider().getDelegate()

/** The global tracer provider, if an SDK has registered one. */
export const registeredTracerProvider = (): TracerProvider | undefined => {
  const provider = trace.getTracerProvider() as TracerProvider & Partial<ProxyTracerProvider>
  return (provider.getDelegate?.() ?? provider) === NO_TRACER_PROVIDER ? undefined : provider
}

/** The meter that does nothing: a provider that nobody has registered gives one of its class. */
const NO_METER = createNoopMeter()

/** The global meter provider, if an SDK has registered one. */
export const registeredMeterProvider = (): MeterProvider | undefined => {
  const provider = metrics.getMeterProvider()
  return provider.getMeter(SCOPE).constructor === NO_METER.constructor ? undefined : provider
}

/** The instrumentation scope of all that comes from here. */
export const SCOPE = '@buslane/telemetry'
