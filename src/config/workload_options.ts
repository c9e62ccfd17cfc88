/**
 * Options about workloads: which runtimes are asked, and what `cgroups` and `workloads` list.
 *
 * @module
 */
import { list, option } from "./option.ts";
import { runtimeSocket } from "./runtime_socket.ts";
import { boolean, choice, duration, text, type ValueType } from "./value.ts";

/** What a workload may be, as `WorkloadKind` of `src/events` has it. */
export const WORKLOAD_KINDS = [
  "container",
  "pod",
  "machine",
  "service",
  "scope",
  "slice",
  "unit",
  "session",
  "host",
] as const;

/** Part of a filter; the rooms that know filters check the rest. */
function pattern(placeholder: string): ValueType<string> {
  return text({ placeholder, allowed: "a name or a pattern with * and ?" });
}

/** Rows of the table by the name they have in `Config`. */
export const WORKLOAD_OPTIONS = {
  onlyWorkloads: list(pattern("<kind/name>"), {
    flag: "workload",
    group: "Selection",
    commands: ["run", "cgroups", "workloads", "top"],
    help: "Only this workload, such as service/ssh.service; a kind alone is enough",
  }),
  onlyContainers: list(pattern("<name>"), {
    flag: "container",
    group: "Selection",
    commands: ["run", "cgroups", "workloads", "top"],
    help: "Only this container, by name or by six or more digits of its id",
  }),
  onlyPods: list(pattern("<name>"), {
    flag: "pod",
    group: "Selection",
    commands: ["run", "cgroups", "workloads", "top"],
    help: "Only this pod; NAMESPACE/NAME too",
  }),
  onlyUnits: list(pattern("<name>"), {
    flag: "unit",
    group: "Selection",
    commands: ["run", "cgroups", "workloads", "top"],
    help: "Only this systemd unit",
  }),
  onlyNamespaces: list(pattern("<name>"), {
    flag: "namespace",
    group: "Selection",
    commands: ["run", "cgroups", "workloads", "top"],
    help: "Only pods of this namespace",
  }),
  cgroupsFormat: option(choice(["tree", "table", "json"]), "tree", {
    flag: "output",
    short: "o",
    group: "Output",
    commands: ["cgroups"],
    isFlagOnly: true,
    help: "How cgroups are written",
  }),
  workloadsFormat: option(choice(["table", "json"]), "table", {
    flag: "output",
    short: "o",
    group: "Output",
    commands: ["workloads"],
    isFlagOnly: true,
    help: "How workloads are written",
  }),
  withEmpty: option(boolean(), false, {
    flag: "empty",
    group: "Selection",
    commands: ["cgroups", "workloads"],
    help: "Also show what has no process; json always does",
  }),
  kinds: list(choice(WORKLOAD_KINDS), {
    flag: "kind",
    group: "Selection",
    commands: ["cgroups", "workloads", "top"],
    help: "Only workloads of this kind",
  }),
  askRuntimes: option(boolean(), true, {
    flag: "runtimes",
    key: "workload.runtimes",
    group: "Workloads",
    commands: ["run", "cgroups", "workloads", "doctor"],
    help: "Ask container runtimes and systemd for names; without them cgroup paths must do",
  }),
  runtimeSockets: list(runtimeSocket(), {
    flag: "runtime-socket",
    key: "workload.runtime_sockets",
    group: "Workloads",
    commands: ["run", "cgroups", "workloads", "doctor"],
    help: "Ask the runtime at this socket and none of the well-known ones; API is cri, " +
      "containerd, docker or podman",
  }),
  runtimeTimeoutMs: option(duration({ min: 50, max: 60_000 }), 2000, {
    flag: "runtime-timeout",
    key: "workload.runtime_timeout",
    group: "Workloads",
    commands: ["run", "cgroups", "workloads", "doctor"],
    help: "Time a runtime has for one answer",
  }),
  lookTimeoutMs: option(duration({ min: 1, max: 600_000 }), 2000, {
    flag: "timeout",
    group: "Workloads",
    commands: ["cgroups", "workloads"],
    help: "Time to wait for the answers of all runtimes; what is open then is shown as pending",
  }),
} as const;
