/**
 * One look at the cgroups of this host and whose they are, without a running agent: for `cgroups`
 * and `workloads`.
 *
 * @module
 */
import { runtimeSettings } from "./agent_workloads.ts";
import {
  type CgroupMode,
  describeHierarchy,
  detectCgroupMode,
  type Hierarchy,
  HostFiles,
  parseCgroupLines,
  pathBelowMount,
  walkCgroups,
  WALKED_CGROUPS_MAX,
  type WalkedCgroup,
} from "./cgroups/mod.ts";
import type { Config } from "./config/mod.ts";
import type { Workload } from "./events/mod.ts";
import { readCgroupSubsystems } from "./loader/mod.ts";
import { hasEnded, parseStat } from "./state/mod.ts";
import { Counters } from "./telemetry/mod.ts";
import { type CgroupIdentity, type OpenedWorkloads, openWorkloads } from "./workloads/mod.ts";

/** One cgroup of the tracked hierarchy. */
export interface HostCgroup {
  readonly id: bigint;
  /** 0 for the topmost that can be seen. */
  readonly parentId: bigint;
  readonly level: number;
  /** Below the root of the hierarchy, as /proc/PID/cgroup shows it. */
  readonly path: string;
  /** Whether it or one below it has processes. */
  readonly isPopulated: boolean;
  /** Thread groups in it, without those below; kernel threads and zombies do not count. */
  readonly processCount: number;
  /** The cgroup that names the workload. */
  readonly trackingId: bigint;
  readonly workload: Workload;
}

/** The cgroups of this host; parents stand before their children. */
export interface HostCgroups {
  /** As the kernel numbers it; 0 is v2. */
  readonly hierarchy: number;
  readonly cgroups: readonly HostCgroup[];
  /** Cgroups that were left out, at least. */
  readonly beyondLimit: number;
  /** Questions to runtimes that had no answer in time. */
  readonly openQuestions: number;
}

/** One workload of this host. */
export interface HostWorkload {
  readonly workload: Workload;
  /** Cgroups that are its own: not those of workloads inside it. */
  readonly cgroupIds: readonly bigint[];
  /** Processes in them. */
  readonly processCount: number;
}

/** What a look needs. */
export interface LookOptions {
  readonly config: Pick<
    Config,
    "askRuntimes" | "runtimeSockets" | "runtimeTimeoutMs" | "lookTimeoutMs"
  >;
  /** This host's, unless a test has others. */
  readonly files?: HostFiles;
}

/** The cgroups of this host cannot be read. */
export class CgroupsUnreadableError extends Error {
  override readonly name = "CgroupsUnreadableError";

  constructor(readonly hierarchy: string, state: string, readonly hint: string) {
    super(`Cannot read cgroups of "${hierarchy}": ${state}`);
  }
}

/** Time between looks at whether all questions have ended. */
const POLL_INTERVAL_MS = 10;

/**
 * Walks the hierarchy that tells workloads apart and asks the runtimes about it, for as long as the
 * setting says.
 *
 * @throws {CgroupsUnreadableError}
 */
export async function lookAtCgroups(
  { config, files = new HostFiles() }: LookOptions,
): Promise<HostCgroups> {
  const hierarchy = findHierarchy(files);
  const { cgroups: walked, beyondLimit } = walkCgroups(files, hierarchy);
  if (walked.length === 0) {
    throw new CgroupsUnreadableError(
      describeHierarchy(hierarchy),
      `"${hierarchy.mount?.path ?? "/sys/fs/cgroup"}" shows none`,
      "run shrike doctor, which tells how this host uses cgroups",
    );
  }
  const cgroups = walked.map((each) => ({ ...each, path: wholePath(hierarchy, each) }));
  const opened = openWorkloads({
    settings: { ...runtimeSettings(config), cgroupsMax: WALKED_CGROUPS_MAX },
    counters: new Counters(),
    // All are asked for again when the wait is over.
    onLearned: () => {},
  });
  const { resolver } = opened;
  const workloadOf = (cgroup: WalkedCgroup) => resolver.resolve(identityOf(cgroup, hierarchy));
  try {
    resolver.start();
    for (const cgroup of cgroups) workloadOf(cgroup);
    await settle(opened, config.lookTimeoutMs);
    return {
      hierarchy: hierarchy.hierarchyId,
      cgroups: combine(cgroups, countProcesses(files, hierarchy), workloadOf),
      beyondLimit,
      openQuestions: resolver.openQuestions,
    };
  } finally {
    resolver.close();
  }
}

/**
 * The workloads that cgroups belong to, by kind and name. What is known in different ways, as parts
 * of the host may be, has a row for each.
 */
export function workloadsOf(cgroups: readonly HostCgroup[]): HostWorkload[] {
  const byKey = new Map<
    string,
    { workload: Workload; cgroupIds: bigint[]; processCount: number }
  >();
  for (const { id, workload, processCount } of cgroups) {
    const { kind, id: workloadId, source, reason } = workload;
    const key = [kind, workloadId, source, reason].join("\0");
    const known = byKey.get(key) ?? { workload, cgroupIds: [], processCount: 0 };
    known.cgroupIds.push(id);
    known.processCount += processCount;
    byKey.set(key, known);
  }
  return [...byKey.values()].sort((a, b) =>
    compare(a.workload.kind, b.workload.kind) || compare(a.workload.name, b.workload.name) ||
    compare(a.workload.id, b.workload.id)
  );
}

/** By code units: the same order in each locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function findHierarchy(files: HostFiles): Hierarchy {
  const subsystems = readCgroupSubsystems();
  const mode: CgroupMode = detectCgroupMode({
    files,
    ...(subsystems === undefined ? {} : { subsystems }),
  });
  const hierarchy = mode.tracked?.hierarchy;
  if (hierarchy?.mount !== undefined) return hierarchy;
  const [warning] = mode.warnings;
  throw new CgroupsUnreadableError(
    hierarchy === undefined ? "/sys/fs/cgroup" : describeHierarchy(hierarchy),
    warning?.text ?? "it is not mounted here",
    warning?.hint ?? "mount it below /sys/fs/cgroup, or look from where it is",
  );
}

/**
 * A mount may begin below the root: that of a container's runtime does. One that begins above the
 * root of our cgroup namespace begins at the hierarchy's.
 */
function wholePath({ mount }: Hierarchy, { path }: Pick<WalkedCgroup, "path">): string {
  const root = mount?.root ?? "/";
  if (root === "/" || root.startsWith("/..")) return path;
  return path === "/" ? root : root + path;
}

function identityOf({ id, path }: WalkedCgroup, { hierarchyId }: Hierarchy): CgroupIdentity {
  return { hierarchy: hierarchyId, id, createdNs: 0n, path, pathSource: "path" };
}

/** Waits until nothing is open, or until the time is over. */
async function settle(opened: OpenedWorkloads, timeoutMs: number): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!isSettled(opened) && performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
}

function isSettled({ resolver, describeRuntimes }: OpenedWorkloads): boolean {
  if (resolver.openQuestions > 0) return false;
  // Only its namespaces tell that a path is a container of it; they come before its news.
  return describeRuntimes().every(({ api, isWatching, lastError }) =>
    api !== "containerd" || isWatching || lastError !== undefined
  );
}

/** Processes by path, from /proc: without root those that it shows. */
function countProcesses(files: HostFiles, hierarchy: Hierarchy): Map<string, number> {
  const counts = new Map<string, number>();
  for (const pid of files.subdirectories("/proc")) {
    if (!/^[1-9]\d*$/.test(pid)) continue;
    const stat = parseStat(files.readBytes(`/proc/${pid}/stat`) ?? new Uint8Array(0));
    if (stat === undefined || stat.isKernelThread || hasEnded(stat)) continue;
    const lines = parseCgroupLines(files.readText(`/proc/${pid}/cgroup`) ?? "");
    const shown = lines.find((line) => line.hierarchyId === hierarchy.hierarchyId)?.path;
    const below = shown === undefined ? undefined : pathBelowMount(hierarchy, shown);
    if (below === undefined) continue;
    const path = wholePath(hierarchy, { path: below });
    counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  return counts;
}

function combine(
  walked: readonly WalkedCgroup[],
  counts: ReadonlyMap<string, number>,
  workloadOf: (cgroup: WalkedCgroup) => Workload,
): HostCgroup[] {
  const byId = new Map<bigint, HostCgroup>();
  for (const cgroup of walked) {
    const workload = workloadOf(cgroup);
    const parent = byId.get(cgroup.parentId);
    byId.set(cgroup.id, {
      ...cgroup,
      processCount: counts.get(cgroup.path) ?? 0,
      trackingId: trackingOf(cgroup, workload, { parent, top: walked[0] ?? cgroup }),
      workload,
    });
  }
  return [...byId.values()];
}

/** The cgroup that names the workload, as the agent has it. */
function trackingOf(
  { id }: WalkedCgroup,
  workload: Workload,
  { parent, top }: { readonly parent: HostCgroup | undefined; readonly top: WalkedCgroup },
): bigint {
  // It may be a container of a namespace of containerd that is not known yet.
  if (workload.reason === "unrecognised_path") return id;
  if (workload.kind === "host") return top.id;
  const isInside = parent?.workload.kind === workload.kind && parent.workload.id === workload.id;
  return isInside ? parent.trackingId : id;
}
