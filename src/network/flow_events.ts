/**
 * Rows of flows as events.
 *
 * @module
 */
import type { FlowEvent, SocketTuple, TaggedTuple, Workload } from "../events/mod.ts";
import type { Clock } from "../telemetry/mod.ts";
import type { FlowRow } from "./network_kernel.ts";
import type { ProcessContext } from "./recent_processes.ts";

/** Who knows what rows name. */
export interface FlowEventsParts {
  readonly clock: Clock;
  /** The process as of now, also when it has ended. */
  readonly contextOf: (tgid: number, leaderStartNs: bigint) => ProcessContext | undefined;
  /** Whose a cgroup is; undefined when it is not known. */
  readonly workloadOf: (trackingId: bigint) => Workload | undefined;
  readonly tag: (tuple: SocketTuple, trackingId: bigint, nowNs: bigint) => TaggedTuple;
}

/** An interval in which flows were gathered, CLOCK_MONOTONIC ns. */
export interface FlowInterval {
  readonly startNs: bigint;
  readonly endNs: bigint;
}

const NOT_KNOWN: Workload = Object.freeze({
  ...{ kind: "host", name: "unknown", id: "unknown", source: "none", reason: "unknown_cgroup" },
});

/** The event of a row. */
export function flowEvent(
  row: FlowRow,
  { startNs, endNs }: FlowInterval,
  parts: FlowEventsParts,
): FlowEvent {
  const { tuple, trackingId, isOther, isOutgoing } = row;
  const context = isOther || row.tgid === 0
    ? undefined
    : parts.contextOf(row.tgid, row.leaderStartNs);
  const wallNs = (monotonicNs: bigint) => parts.clock.wallNs(monotonicNs);
  return {
    type: "flow",
    timeNs: wallNs(endNs),
    intervalNs: endNs - startNs,
    ...context,
    workload: workloadOf(trackingId, context, parts),
    ...(tuple !== undefined && !isOther && { socket: parts.tag(tuple, trackingId, endNs) }),
    isOther,
    ...(isOutgoing !== undefined && { isOutgoing }),
    firstTimeNs: wallNs(row.firstNs),
    lastTimeNs: wallNs(row.lastNs),
    isStarted: row.isStarted,
    isEnded: row.isEnded,
    connections: row.connections,
    counts: row.counts,
    marks: [],
  };
}

/** The process may be a visitor of its cgroup, and then belongs to another workload. */
function workloadOf(
  trackingId: bigint,
  context: ProcessContext | undefined,
  { workloadOf }: FlowEventsParts,
): Workload {
  const process = context?.subject.process;
  if (process?.cgroup.trackingId === trackingId) return process.workload;
  return workloadOf(trackingId) ?? process?.workload ?? NOT_KNOWN;
}
