/**
 * How this host uses cgroups, as far as this process can see it.
 *
 * @module
 */
import { type ControllerLine, parseCgroupLines, parseControllerLines } from "./cgroup_text.ts";
import {
  chooseHierarchy,
  type SubsystemIndexes,
  type TrackedHierarchy,
} from "./choose_hierarchy.ts";
import { describeHierarchy, type Hierarchy, readHierarchies, usualPath } from "./hierarchy.ts";
import type { HostFiles } from "./host_files.ts";
import { isNamespaced } from "./own_namespaces.ts";

/** Words that everybody uses; see README.md. */
export type CgroupModeName =
  /** v1 alone. */
  | "legacy"
  /** v1 controllers, v2 beside them. */
  | "hybrid"
  /** v2. */
  | "unified"
  /** No hierarchy at all. */
  | "none";

/** Something that could not be told, or that will not work. */
export interface CgroupWarning {
  /** State found. */
  readonly text: string;
  /** What follows from it for the agent. */
  readonly follows: string;
  /** What to do about it. */
  readonly hint: string;
}

/** The whole decision. */
export interface CgroupMode {
  readonly mode: CgroupModeName;
  readonly hierarchies: readonly Hierarchy[];
  /** Lines of /proc/cgroups, in the kernel's order. */
  readonly controllers: readonly ControllerLine[];
  /** Null: cgroups cannot be tracked, names come from /proc alone. */
  readonly tracked: TrackedHierarchy | null;
  /** Whether this process is in a cgroup namespace of its own; undefined before Linux 4.6. */
  readonly isNamespaced: boolean | undefined;
  /** Whether systemd manages the host (or the container that this runs in). */
  readonly hasSystemd: boolean;
  readonly warnings: readonly CgroupWarning[];
}

/** What detection looks at. */
export interface DetectionSources {
  readonly files: HostFiles;
  /**
   * Indexes of controllers from the kernel's BTF (`enum cgroup_subsys_id`), by v1 name. Without it
   * the order of /proc/cgroups counts, which newer kernels may leave gaps in.
   */
  readonly subsystems?: SubsystemIndexes;
}

/** PROC_CGROUP_INIT_INO of include/linux/proc_ns.h: the initial cgroup namespace. */
/** Reads the host's files once. Never throws: what it cannot tell becomes a warning. */
export function detectCgroupMode(sources: DetectionSources): CgroupMode {
  const { files } = sources;
  const isInside = isNamespaced(files, "cgroup");
  const hasSystemd = files.exists("/run/systemd/system");
  const lines = parseCgroupLines(files.readText("/proc/self/cgroup") ?? "");
  const controllers = parseControllerLines(files.readText("/proc/cgroups") ?? "");
  const hierarchies = readHierarchies(files, lines, isInside ?? false);
  const fromOrder = new Map(controllers.map(({ name }, index) => [name, index]));
  const subsystems = sources.subsystems ?? fromOrder;
  const tracked = chooseHierarchy(files, hierarchies, { subsystems, hasSystemd });
  const mode = nameMode(hierarchies);
  const found = { mode, hierarchies, controllers, tracked, isNamespaced: isInside, hasSystemd };
  const isGuessed = sources.subsystems === undefined;
  return { ...found, warnings: [...warningsOf(found, isGuessed)] };
}

/** By mounts; where none is visible by the lines of /proc/self/cgroup. */
function nameMode(hierarchies: readonly Hierarchy[]): CgroupModeName {
  const mounted = hierarchies.filter(({ mount }) => mount !== undefined);
  const seen = mounted.length > 0 ? mounted : hierarchies;
  const v2 = seen.find(({ version }) => version === 2);
  if (v2 === undefined) return seen.length > 0 ? "legacy" : "none";
  // A v1 hierarchy mounted somewhere beside, such as net_cls for a VPN, changes nothing.
  const isAlone = seen.length === 1 || usualPath(v2.mount) === "/sys/fs/cgroup";
  return isAlone ? "unified" : "hybrid";
}

function* warningsOf(
  found: Omit<CgroupMode, "warnings">,
  isGuessed: boolean,
): Generator<CgroupWarning> {
  const { mode, hierarchies, tracked, isNamespaced, controllers } = found;
  if (mode === "none") {
    yield {
      text: "no cgroup hierarchy is mounted, and /proc/self/cgroup names none",
      follows: "cgroups are not tracked; every process counts as the host's",
      hint: "mount /sys/fs/cgroup (mount -t cgroup2 none /sys/fs/cgroup)",
    };
    return;
  }
  if (tracked === null) {
    yield {
      text: `no hierarchy has a controller: ${hierarchies.map(describeHierarchy).join("; ")}`,
      follows: "cgroups are not tracked; names come from /proc",
      hint: "mount cgroup2, or the v1 controller memory or pids",
    };
    return;
  }
  yield* trackedWarnings(tracked, isNamespaced);
  const { hierarchy, subsystem } = tracked;
  // CONFIG_CPUSETS_V1, CONFIG_MEMCG_V1: kernels since 6.11 leave out what v1 does not offer.
  const isListed = (name: string) => controllers.some((line) => line.name === name);
  const isComplete = isListed("cpuset") && isListed("memory");
  if (subsystem !== undefined && isGuessed && !isComplete) {
    yield {
      text: `the index ${subsystem.index} of v1 controller ${subsystem.name} is a guess: ` +
        "/proc/cgroups does not list all controllers, and the kernel's BTF was not read",
      follows: "cgroup ids in events may be of another controller; the agent checks its own",
      hint: "use a kernel with /sys/kernel/btf/vmlinux",
    };
  }
  if (hierarchy.version === 1 && mode === "legacy" && hasUnmountedV2(hierarchies)) {
    yield {
      text: "cgroup v2 is in use on this host but not mounted here",
      follows: `cgroups that stand in v2 only are not told apart; tracking uses ${
        describeHierarchy(hierarchy)
      }`,
      hint: "run the agent on the host, or mount the host's /sys/fs/cgroup into its container",
    };
  }
}

/** The kernel tells of those that are made while it is watched. */
const OLD_UNKNOWN =
  "processes in cgroups older than the agent have no workload (reason unknown_cgroup)";
const SHOW_ALL =
  "mount the host's /sys/fs/cgroup into the agent's container, or give it the host's pids and " +
  "CAP_SYS_PTRACE";

function* trackedWarnings(
  { hierarchy }: TrackedHierarchy,
  isNamespaced: boolean | undefined,
): Generator<CgroupWarning> {
  const what = describeHierarchy(hierarchy);
  if (hierarchy.mount === undefined) {
    yield {
      text: `${what} is not mounted where this process can see it`,
      follows: `${OLD_UNKNOWN}; the agent's own id cannot be checked`,
      hint: SHOW_ALL,
    };
    return;
  }
  if (hierarchy.ownDirectory === undefined) {
    yield {
      text: `own cgroup "${hierarchy.ownPath}" is not below the mount "${hierarchy.mount.path}" ` +
        `of ${what}`,
      follows: "the agent's own id cannot be checked against the kernel's",
      hint: "run the agent in the host's cgroup namespace, or mount the whole hierarchy",
    };
  }
  if (isNamespaced) {
    const isPartial = !hierarchy.mount.root.startsWith("/..");
    yield {
      text: "this process is in a cgroup namespace: its own path reads " +
        `"${hierarchy.ownPath}", parents ${isPartial ? "are hidden" : "have no names in it"}`,
      follows: isPartial
        ? `outside of it ${OLD_UNKNOWN}; levels are taken from the kernel`
        : "levels are taken from the kernel",
      hint: "run the agent with the host's cgroup namespace (--cgroupns=host) and mount" +
        (isPartial ? ", or with the host's pids and CAP_SYS_PTRACE" : ""),
    };
  } else if (hierarchy.mountLevel !== undefined && hierarchy.mountLevel > 0) {
    yield {
      text: `the mount "${hierarchy.mount.path}" of ${what} begins at "${hierarchy.mount.root}"`,
      follows: `outside of it ${OLD_UNKNOWN}`,
      hint: SHOW_ALL,
    };
  }
}

function hasUnmountedV2(hierarchies: readonly Hierarchy[]): boolean {
  return hierarchies.some(({ version, mount, ownPath }) =>
    version === 2 && mount === undefined && ownPath !== "/"
  );
}

/**
 * Sockets remember either their v2 cgroup or their net_cls and net_prio values before Linux 5.15
 * (8520e224f547 gave them room for both): the first one set there takes v2 away from all sockets.
 */
export function findNetworkConflict(
  { hierarchies }: Pick<CgroupMode, "hierarchies">,
  kernel: readonly [number, number],
): CgroupWarning | null {
  const [major, minor] = kernel;
  if (major > 5 || (major === 5 && minor >= 15)) return null;
  const bound = hierarchies.filter(({ controllers, version }) =>
    version === 1 && controllers.some((name) => name === "net_cls" || name === "net_prio")
  );
  if (bound.length === 0) return null;
  return {
    text: `${bound.map(describeHierarchy).join("; ")} is in use on kernel ${major}.${minor}`,
    follows: "once a net_cls or net_prio value is set, sockets lose their v2 cgroup: network " +
      "metrics count them on the root",
    hint: "boot with cgroup_no_v1=net_cls,net_prio, or use a kernel since 5.15",
  };
}
