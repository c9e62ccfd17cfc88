/**
 * Traffic as the agent answers it, back from JSON.
 *
 * @module
 */
import type {
  Container,
  Pod,
  TrafficCount,
  Workload,
  WorkloadKind,
  WorkloadReason,
  WorkloadSource,
} from "../events/mod.ts";
import type {
  NetworkState,
  TrafficOwner,
  TrafficReading,
  WorkloadTraffic,
} from "../network/mod.ts";
import type { JsonFields } from "./json_fields.ts";

const STATES = ["off", "ok", "degraded"] as const;
const OWNERS: readonly TrafficOwner[] = ["workload", "ended", "unknown", "other"];
const DIRECTIONS = ["receive", "transmit"] as const;
const PROTOCOLS = ["tcp", "udp", "other"] as const;
const KINDS: readonly WorkloadKind[] = [
  ...["container", "pod", "machine", "service", "scope"] as const,
  ...["slice", "unit", "session", "host"] as const,
];
const SOURCES: readonly WorkloadSource[] = ["kernel", "path", "runtime", "pending", "none"];
const REASONS: readonly WorkloadReason[] = [
  ...["zero_cgroup_id", "unknown_cgroup", "unrecognised_path", "lookup_running"] as const,
  ...["lookup_queue_full", "no_runtime", "runtime_failed", "unknown_to_runtime"] as const,
  ...["entered_from_outside", "cgroups_not_followed"] as const,
];
const IPV4 = 4;

/** What the agent says about its network. Classes without traffic are left out. */
export interface TrafficAnswer {
  readonly reading: TrafficReading;
  readonly state: NetworkState;
}

/** @throws {JsonFieldError} as all of these */
export function readTraffic(fields: JsonFields): TrafficAnswer {
  const programs = fields.has("programs") ? fields.object("programs") : undefined;
  return {
    reading: {
      monotonicNs: fields.bigCount("monotonic_ns"),
      workloads: fields.objects("workloads").map(readWorkloadTraffic),
      ...(programs && {
        programs: { runTimeNs: programs.bigCount("run_time_ns"), runs: programs.bigCount("runs") },
      }),
    },
    state: readState(fields.object("state")),
  };
}

function readState(fields: JsonFields): NetworkState {
  const reason = fields.optionalText("reason");
  const hint = fields.optionalText("hint");
  return {
    state: fields.word("state", STATES),
    ...(reason !== undefined && { reason }),
    ...(hint !== undefined && { hint }),
  };
}

function readWorkloadTraffic(fields: JsonFields): WorkloadTraffic {
  return {
    owner: fields.word("owner", OWNERS),
    key: fields.text("key"),
    ...(fields.has("workload") && { workload: readWorkload(fields.object("workload")) }),
    counts: fields.objects("counts").map(readCount),
    execs: fields.count("execs"),
    ...(fields.has("connections") && { connections: fields.count("connections") }),
  };
}

function readCount(fields: JsonFields): TrafficCount {
  return {
    direction: fields.word("direction", DIRECTIONS),
    family: fields.count("family") === IPV4 ? 4 : 6,
    protocol: fields.word("protocol", PROTOCOLS),
    bytes: fields.bigCount("bytes"),
    packets: fields.bigCount("packets"),
  };
}

function readWorkload(fields: JsonFields): Workload {
  const reason = fields.optionalWord("reason", REASONS);
  return {
    kind: fields.word("kind", KINDS),
    name: fields.text("name"),
    id: fields.text("id"),
    source: fields.word("source", SOURCES),
    ...(reason !== undefined && { reason }),
    ...(fields.has("unit") && { unit: { name: fields.object("unit").text("name") } }),
    ...(fields.has("container") && { container: readContainer(fields.object("container")) }),
    ...(fields.has("pod") && { pod: readPod(fields.object("pod")) }),
  };
}

function readContainer(fields: JsonFields): Container {
  const name = fields.optionalText("name");
  return {
    runtime: fields.text("runtime"),
    id: fields.text("id"),
    ...(name !== undefined && { name }),
  };
}

function readPod(fields: JsonFields): Pod {
  const namespace = fields.optionalText("namespace");
  const name = fields.optionalText("name");
  const containerName = fields.optionalText("container_name");
  return {
    uid: fields.text("uid"),
    ...(namespace !== undefined && { namespace }),
    ...(name !== undefined && { name }),
    ...(containerName !== undefined && { containerName }),
  };
}
