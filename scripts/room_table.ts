/**
 * The rooms of ARCHITECTURE.md and who may import whom, as data for check_imports.ts.
 *
 * @module
 */

/** A folder or file with one purpose. Paths are relative to the root of the checkout. */
export interface Room {
  readonly path: string;
  /** Rooms it may import; "*" for all. */
  readonly imports: readonly string[];
  /** Files, and rooms (their doorways), it may import types from. */
  readonly types?: readonly string[];
  /** From outside only its `mod.ts` may be imported. */
  readonly hasDoorway: boolean;
}

const SENSOR_CONTRACT = "src/sensors/sensor.ts";

function folder(
  path: string,
  imports: readonly string[],
  types: readonly string[] = [],
): Room {
  return { path, imports, types, hasDoorway: true };
}

function file(path: string, imports: readonly string[], types: readonly string[] = []): Room {
  return { path, imports, types, hasDoorway: false };
}

/** The agent: the only files that see every room. */
const AGENT = [
  "src/agent.ts",
  "src/agent_cgroups.ts",
  "src/agent_contract.ts",
  "src/agent_control.ts",
  "src/agent_file_watch.ts",
  "src/agent_kept_policies.ts",
  "src/agent_metric_sources.ts",
  "src/agent_metrics.ts",
  "src/agent_network.ts",
  "src/agent_own_cgroup.ts",
  "src/agent_open_network.ts",
  "src/agent_open_policies.ts",
  "src/agent_policies.ts",
  "src/agent_policy_coverage.ts",
  "src/agent_policy_files.ts",
  "src/agent_policy_loading.ts",
  "src/agent_policy_store.ts",
  "src/agent_presence.ts",
  "src/agent_proc_cgroups.ts",
  "src/agent_rooms.ts",
  "src/agent_usage.ts",
  "src/agent_workloads.ts",
  "src/host.ts",
  "src/host_examination.ts",
  "src/host_workloads.ts",
];

/** Every room; a file belongs to the one with the longest path. */
export const ROOMS: readonly Room[] = [
  folder("ffi", []),
  folder("src/wire", []),
  folder("src/events", []),
  folder("src/telemetry", []),
  folder("src/files", []),
  folder("src/config", ["src/files", "src/telemetry"]),
  folder("src/http", ["src/telemetry"]),
  folder("src/capture", ["ffi", "src/wire", "src/telemetry"]),
  folder("src/loader", ["ffi", "src/wire", "src/telemetry"], [SENSOR_CONTRACT]),
  folder("src/sensors", ["src/wire", "src/events", "src/telemetry"]),
  folder("src/cgroups", ["src/events", "src/telemetry"]),
  folder("src/state", ["src/events", "src/telemetry"]),
  folder(
    "src/pipeline",
    ["src/capture", "src/wire", "src/events", "src/state", "src/telemetry"],
    [SENSOR_CONTRACT],
  ),
  folder("src/workloads", ["src/events", "src/telemetry"], ["src/state"]),
  folder("src/network", ["src/events", "src/telemetry"]),
  folder("src/metrics", ["src/http", "src/telemetry"]),
  folder("src/policy", ["src/events", "src/files", "src/wire", "src/telemetry"]),
  folder(
    "src/enforcement",
    ["ffi", "src/wire", "src/telemetry", "src/loader", "src/policy"],
    ["src/sensors"],
  ),
  folder("src/api", ["src/events", "src/files", "src/http", "src/telemetry"], [
    "src/network",
    "src/policy",
  ]),
  folder("src/export", ["src/events", "src/telemetry"]),
  folder("src/doctor", ["src/cgroups", "src/telemetry"]),
  folder("src/install", ["src/config"]),
  folder(
    "src/cli",
    [
      ...["src/api", "src/config", "src/doctor", "src/export", "src/files", "src/install"],
      ...["src/network", "src/policy", "src/telemetry", ...AGENT],
    ],
    ["src/events"],
  ),
  ...AGENT.map((path) => file(path, ["*"])),
  file("src/main.ts", ["src/cli"]),
  { path: "scripts", imports: [], hasDoorway: false },
  file("build.ts", ["scripts"]),
  { path: "tests", imports: ["*"], hasDoorway: false },
];

/** Words of the runtime that only some files may say. */
export interface Privilege {
  readonly pattern: RegExp;
  readonly what: string;
  /** Files and folders that may. */
  readonly allowed: readonly string[];
}

/** Checked in `ffi/` and `src/`, tests left out. */
export const PRIVILEGES: readonly Privilege[] = [
  {
    pattern: /\bDeno\.(dlopen|Unsafe\w+)/,
    what: "dlopen, pointers and callbacks",
    allowed: ["ffi"],
  },
  {
    pattern: /\bnew Worker\(/,
    what: "starting a worker",
    allowed: ["src/capture/capture_pool.ts", "src/capture/worker_handle.ts"],
  },
];
