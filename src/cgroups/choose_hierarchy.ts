/**
 * Which hierarchy tells workloads apart.
 *
 * In unified mode there is one. Else several are there, and which of them a container appears in
 * depends on who made it: systemd and current runtimes use the same path in v2 and in the v1
 * controllers, older ones (runc before 1.0 with the cgroupfs driver) only v1, and a cgroup that
 * some service made by hand stands where that service put it. So the trees are looked at.
 *
 * @module
 */
import { describeHierarchy, type Hierarchy, partsOf } from "./hierarchy.ts";
import type { HostFiles } from "./host_files.ts";
import { walkDirectories } from "./walk_directories.ts";

/**
 * v1 controllers in the order we want them: runtimes limit memory and pids of every container, and
 * give it devices; systemd makes cgroups for units in those three, and leaves the others flat.
 */
const CONTROLLER_ORDER = ["memory", "pids", "devices", "freezer", "cpu", "cpuacct", "blkio"];

/** Directories looked at per hierarchy. */
const LOOKED_AT_MAX = 4096;

/** Containers are named by 64 hexadecimal digits by all runtimes but LXC and nspawn. */
const CONTAINER_NAME = /[0-9a-f]{64}/;

/** A v1 hierarchy is known to the kernel side by a controller's place in `css_set.subsys[]`. */
export interface Subsystem {
  readonly name: string;
  /** Place in the kernel's arrays of controllers. */
  readonly index: number;
}

/** The hierarchy whose cgroups name workloads. */
export interface TrackedHierarchy {
  readonly hierarchy: Hierarchy;
  /** Only for v1. */
  readonly subsystem?: Subsystem;
  /** Why this one, in words. */
  readonly reasons: readonly string[];
}

/** What is known about the controllers of the running kernel: name to index. */
export type SubsystemIndexes = ReadonlyMap<string, number>;

/** Null when the kernel side could follow none of them. */
export function chooseHierarchy(
  files: HostFiles,
  hierarchies: readonly Hierarchy[],
  { subsystems, hasSystemd }: { subsystems: SubsystemIndexes; hasSystemd: boolean },
): TrackedHierarchy | null {
  // What is not mounted can be followed in the kernel, but neither walked nor checked.
  const mounted = hierarchies.filter(({ mount }) => mount !== undefined);
  const candidates = (mounted.length > 0 ? mounted : hierarchies)
    .flatMap((hierarchy) => candidateOf(files, hierarchy, subsystems))
    .sort((a, b) => a.order - b.order);
  const [first, ...others] = candidates;
  if (first === undefined) return null;
  if (others.length === 0) return tracked(first, ["it is the only one that can be followed"]);
  const best = fullest(candidates);
  const reasons = [...best.reasons];
  // Empty trees tell nothing: what comes later is guessed from who manages the host.
  if (best.containers.size === 0 && !best.hasOwn) {
    if (first.hierarchy.version === 2 && !hasSystemd && !first.hasChildren) {
      const v1 = others[0]!;
      return tracked(v1, [
        "v2 has no cgroups and there is no systemd: every runtime uses the v1 controllers, " +
        "not every one v2 beside them",
      ]);
    }
    reasons.push(
      first.hierarchy.version === 2
        ? hasSystemd ? "systemd keeps all units in it" : "it has cgroups"
        : `${first.subsystem?.name} is the first of ${CONTROLLER_ORDER.join(", ")} here`,
    );
  }
  return tracked(best, reasons);
}

interface Candidate {
  readonly hierarchy: Hierarchy;
  readonly subsystem?: Subsystem;
  readonly order: number;
  readonly containers: ReadonlySet<string>;
  readonly hasOwn: boolean;
  readonly hasChildren: boolean;
}

function candidateOf(
  files: HostFiles,
  hierarchy: Hierarchy,
  subsystems: SubsystemIndexes,
): Candidate[] {
  const subsystem = subsystemOf(hierarchy, subsystems);
  // Without a controller there is no css to find the cgroup by.
  if (hierarchy.version === 1 && subsystem === undefined) return [];
  const containers = new Set<string>();
  let count = 0;
  if (hierarchy.mount !== undefined) {
    for (const { path } of walkDirectories(files, hierarchy.mount.path, LOOKED_AT_MAX)) {
      count++;
      const id = CONTAINER_NAME.exec(path.slice(path.lastIndexOf("/")))?.[0];
      if (id !== undefined) containers.add(id);
    }
  }
  return [{
    hierarchy,
    ...(subsystem === undefined ? {} : { subsystem }),
    order: hierarchy.version === 2 ? -1 : controllerOrder(subsystem!.name),
    containers,
    hasOwn: partsOf(hierarchy.ownPath).length > 0,
    hasChildren: count > 1,
  }];
}

function subsystemOf(
  { controllers, version }: Hierarchy,
  subsystems: SubsystemIndexes,
): Subsystem | undefined {
  if (version === 2) return undefined;
  const [name] = controllers.filter((controller) => subsystems.has(controller))
    .sort((a, b) => controllerOrder(a) - controllerOrder(b));
  return name === undefined ? undefined : { name, index: subsystems.get(name)! };
}

function controllerOrder(name: string): number {
  const at = CONTROLLER_ORDER.indexOf(name);
  return at < 0 ? CONTROLLER_ORDER.length : at;
}

/** The first with the most containers; among equals one that tells this process from others. */
function fullest(candidates: readonly Candidate[]): Candidate & { readonly reasons: string[] } {
  const all = new Set(candidates.flatMap(({ containers }) => [...containers]));
  const most = Math.max(...candidates.map(({ containers }) => containers.size));
  const rich = candidates.filter(({ containers }) => containers.size === most);
  const best = rich.find(({ hasOwn }) => hasOwn) ?? rich[0]!;
  const reasons: string[] = [];
  if (all.size > 0) reasons.push(`it has ${most} of the ${all.size} containers there are`);
  if (best.hasOwn) reasons.push(`this process is in "${best.hierarchy.ownPath}" there`);
  for (const { hierarchy, containers, hasOwn } of candidates.slice(0, candidates.indexOf(best))) {
    const what = describeHierarchy(hierarchy);
    if (containers.size < most) reasons.push(`${what} has only ${containers.size} of them`);
    else if (!hasOwn) reasons.push(`this process is at the root of ${what}`);
  }
  return { ...best, reasons };
}

function tracked({ hierarchy, subsystem }: Candidate, reasons: readonly string[]) {
  return { hierarchy, ...(subsystem === undefined ? {} : { subsystem }), reasons };
}
