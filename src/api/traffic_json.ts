/**
 * Traffic by workload as JSON: what the control socket answers.
 *
 * @module
 */
import type { TrafficCount, Workload } from "../events/mod.ts";
import type { NetworkState, TrafficReading, WorkloadTraffic } from "../network/mod.ts";

/** Keys are those of the agent's other JSON; numbers of 64 bits are strings. */
export function trafficJson(
  { monotonicNs, workloads, programs }: TrafficReading,
  { state, reason, hint }: NetworkState,
): Record<string, unknown> {
  return {
    monotonic_ns: String(monotonicNs),
    state: {
      state,
      ...(reason !== undefined && { reason }),
      ...(hint !== undefined && { hint }),
    },
    ...(programs !== undefined && {
      programs: { run_time_ns: String(programs.runTimeNs), runs: String(programs.runs) },
    }),
    workloads: workloads.map(workloadTrafficJson),
  };
}

function workloadTrafficJson(traffic: WorkloadTraffic): Record<string, unknown> {
  const { owner, key, workload, counts, execs, connections } = traffic;
  return {
    ...{ owner, key },
    ...(workload !== undefined && { workload: namesJson(workload) }),
    // Most workloads speak one or two of the twelve.
    counts: counts.filter(({ packets }) => packets !== 0n).map(countJson),
    execs,
    ...(connections !== undefined && { connections }),
  };
}

function countJson({ direction, family, protocol, bytes, packets }: TrafficCount) {
  return { direction, family, protocol, bytes: String(bytes), packets: String(packets) };
}

/** What names a workload and what filters ask of it; labels and the like would be most of it. */
function namesJson({ kind, name, id, source, reason, unit, container, pod }: Workload) {
  return {
    ...{ kind, name, id, source, reason },
    ...(unit !== undefined && { unit: { name: unit.name } }),
    ...(container !== undefined && {
      container: { runtime: container.runtime, id: container.id, name: container.name },
    }),
    ...(pod !== undefined && {
      pod: {
        ...{ uid: pod.uid, namespace: pod.namespace, name: pod.name },
        container_name: pod.containerName,
      },
    }),
  };
}
