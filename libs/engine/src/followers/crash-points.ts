/** Places of the packer where a crash leaves different things behind. */
export const CRASH_POINTS = ['claimed', 'segment-put', 'ledger-put', 'ledgered', 'switched'] as const
/** A place of the packer. */
export type CrashPoint = (typeof CRASH_POINTS)[number]
/** Awaited at each place the packer passes: tests throw from it, or let others act at that moment. Nothing else uses it. */
export type CrashPoints = (point: CrashPoint) => void | Promise<void>
