/**
 * What is said of a cgroup while the question about it is in one state or another.
 *
 * @module
 */
import type { Workload, WorkloadReason } from "../events/mod.ts";
import type { CgroupEntry } from "./cgroup_workloads.ts";
import type { LookupState } from "./lookups.ts";
import { makeWorkload } from "./make_workload.ts";

/** The workload of an entry, as the state of its question lets it be known. */
export function workloadOf(entry: CgroupEntry): Workload {
  const { recognition, lookup, cgroup, key } = entry;
  const state = lookup?.state ?? "queue_full";
  if (state === "known") {
    return makeWorkload(recognition, lookup?.facts, { source: "runtime" });
  }
  const source = cgroup.pathSource;
  if (!recognition.isRecognised) {
    return makeWorkload(recognition, undefined, { source, reason: "unrecognised_path" });
  }
  // A unit is whole without its description.
  if (key === undefined || lookup?.subject.kind === "unit") {
    const reason = recognition.kind === "container" ? { reason: "no_runtime" } as const : {};
    return makeWorkload(recognition, undefined, { source, ...reason });
  }
  return makeWorkload(recognition, undefined, {
    source: state === "running" ? "pending" : source,
    reason: REASONS[state],
  });
}

const REASONS: Readonly<Record<Exclude<LookupState, "known">, WorkloadReason>> = {
  running: "lookup_running",
  unknown: "unknown_to_runtime",
  failed: "runtime_failed",
  no_runtime: "no_runtime",
  queue_full: "lookup_queue_full",
};

/** Whether the question has ended, one way or the other. */
export function isSettled({ lookup, key }: CgroupEntry): boolean {
  if (lookup === undefined) return key === undefined;
  return lookup.state !== "running" && lookup.state !== "queue_full";
}

/** Whether nothing was learned. What a runtime tells twice does not come here twice. */
export function isKnownAlike(older: Workload, newer: Workload): boolean {
  return newer.source !== "runtime" && older.source === newer.source &&
    older.reason === newer.reason;
}
