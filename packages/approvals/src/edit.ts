import { type AnyDefinition, InvalidPayloadError, type PayloadCodec } from '@buslane/core'
import { toJson } from '@buslane/core/store-runner'

/**
 * A payload that somebody put in the place of another, as it is kept: of the version that is known here, and one that its schema takes.
 *
 * @throws {BusError} `INVALID_PAYLOAD`
 */
export const editedPayload = async (
  { type, version, schema }: AnyDefinition,
  payload: unknown,
  codec: PayloadCodec | undefined,
): Promise<{ readonly payload: string; readonly version: number }> => {
  const what = `The edited payload of '${type}'`
  const checked = await schema?.['~standard'].validate(payload)
  if (checked?.issues) throw new InvalidPayloadError('INVALID_PAYLOAD', what, checked.issues)
  // What was given is kept, not what the schema made of it: it is parsed again before it is handled.
  return { payload: codec ? codec.encode(payload) : toJson(payload, what), version }
}
