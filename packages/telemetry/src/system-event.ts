import type { Message } from '@buslane/core'

/** Whether it is one of the bus's own, which tell what spans and metrics tell already. */
export const isSystemEvent = ({ type }: Message): boolean => type.startsWith('buslane.')
