/**
 * Losses to gap events: what is missing from the stream is said in the stream.
 *
 * @module
 */
import type { GapCause, GapEvent } from "../events/mod.ts";
import type { Clock, Loss } from "../telemetry/mod.ts";

/** What was lost, as events; one per cause, CPU, kind and sink. */
export function gapEvents(taken: readonly Loss[], clock: Clock): GapEvent[] {
  if (taken.length === 0) return [];
  const timeNs = clock.wallNs(clock.monotonicNs());
  return taken.map(({ cause, cpu, kind, sink, count, firstNs, lastNs }) => ({
    type: "gap",
    timeNs,
    cause: cause as GapCause, // a Loss names one of the causes, see src/telemetry/loss.ts
    ...(cpu !== undefined && { cpu }),
    ...(kind !== undefined && { kind }),
    ...(sink !== undefined && { sink }),
    count,
    firstTimeNs: clock.wallNs(firstNs),
    lastTimeNs: clock.wallNs(lastNs),
  }));
}
