/**
 * Whether the agent has room: memory, locked memory, descriptors.
 *
 * @module
 */
import type { CgroupMode, Hierarchy, HostFiles } from "../cgroups/mod.ts";
import { type Finding, TopicFindings, type Trouble } from "./finding.ts";

/** A resource limit; null is none. */
export type Limit = bigint | null;

/** What is looked at. */
export interface LimitCheck {
  readonly files: HostFiles;
  readonly mode: CgroupMode;
  readonly cpuCount: number;
  readonly kernelVersion: readonly [number, number];
  /** Soft RLIMIT_MEMLOCK, bytes. */
  readonly lockedMemory: Limit;
  /** Soft RLIMIT_NOFILE. */
  readonly openFiles: Limit;
  /** RLIMIT_NOFILE below which the agent does not start. */
  readonly openFilesNeeded: number;
}

const MIB = 1024 ** 2;
/** The goal on two CPUs, and what each further one adds; as in shrike.service. */
const MEMORY_SIZE = 100 * MIB;
const MEMORY_SIZE_PER_CPU = 9 * MIB;
/** v1 writes "no limit" as the largest multiple of the page size below 2^63. */
const UNLIMITED_V1 = 2n ** 62n;
/** Maps, and where they are counted here the rings of each CPU. */
const LOCKED_SIZE = 64n * 1024n * 1024n;

export function checkLimits(check: LimitCheck): Finding[] {
  const found = new TopicFindings("limits");
  checkMemory(check, found);
  checkLockedMemory(check, found);
  const { openFilesNeeded } = check;
  if (check.openFiles !== null && check.openFiles < BigInt(openFilesNeeded)) {
    found.problem("open files", {
      text: `RLIMIT_NOFILE is ${check.openFiles}, at least ${openFilesNeeded} are needed`,
      follows: "the agent does not start",
      hint: "raise it: ulimit -n 65536, or LimitNOFILE=65536",
    });
  } else {
    found.ok("open files", `RLIMIT_NOFILE is ${check.openFiles ?? "unlimited"}`);
  }
  return found.findings;
}

function checkMemory({ files, mode, cpuCount }: LimitCheck, found: TopicFindings): void {
  const needed = MEMORY_SIZE + MEMORY_SIZE_PER_CPU * Math.max(cpuCount - 2, 0);
  const trouble = (size: number, what: string): Trouble => ({
    text: `${what} is ${formatMib(size)}, about ${formatMib(needed)} are needed`,
    follows: "the kernel may end the agent for lack of memory",
    hint: "raise it (MemoryMax=, agent.memory_max), or use smaller rings and caches",
  });
  const limit = findMemoryLimit(files, mode.hierarchies);
  if (limit === null) {
    found.ok("memory limit", "none on own cgroup and its parents that are visible");
  } else if (limit.size < needed) {
    found.warning("memory limit", trouble(limit.size, `the limit of "${limit.path}"`));
  } else found.ok("memory limit", `${formatMib(limit.size)} by "${limit.path}"`);
  const meminfo = files.readText("/proc/meminfo") ?? "";
  const available = Number(/^MemAvailable:\s*(\d+) kB$/m.exec(meminfo)?.[1] ?? NaN) * 1024;
  if (available < needed) found.warning("memory", trouble(available, "available memory"));
  else if (available >= 0) found.ok("memory", `${formatMib(available)} available`);
}

/** The lowest limit from the own cgroup up, in the hierarchy that accounts memory. */
function findMemoryLimit(
  files: HostFiles,
  hierarchies: readonly Hierarchy[],
): { readonly size: number; readonly path: string } | null {
  const v1 = hierarchies.find(({ version, controllers }) =>
    version === 1 && controllers.includes("memory")
  );
  const hierarchy = v1 ?? hierarchies.find(({ version }) => version === 2);
  const { ownDirectory, mount } = hierarchy ?? {};
  if (ownDirectory === undefined || mount === undefined) return null;
  const name = v1 === undefined ? "memory.max" : "memory.limit_in_bytes";
  let lowest: { size: number; path: string } | null = null;
  for (let path = ownDirectory; path.length >= mount.path.length && path !== "";) {
    const text = files.readText(`${path}/${name}`)?.trim() ?? "max";
    const isLimit = /^\d+$/.test(text) && BigInt(text) < UNLIMITED_V1;
    const size = Number(text);
    if (isLimit && (lowest === null || size < lowest.size)) lowest = { size, path };
    path = path.slice(0, path.lastIndexOf("/"));
  }
  return lowest;
}

function checkLockedMemory(
  { lockedMemory, kernelVersion: [major, minor] }: LimitCheck,
  found: TopicFindings,
): void {
  const size = lockedMemory === null ? "unlimited" : formatMib(Number(lockedMemory));
  const isCounted = major < 5 || (major === 5 && minor < 11);
  if (!isCounted) {
    return found.ok("locked memory", `RLIMIT_MEMLOCK is ${size}; BPF memory counts elsewhere`);
  }
  if (lockedMemory !== null && lockedMemory < LOCKED_SIZE) {
    return found.warning("locked memory", {
      text: `RLIMIT_MEMLOCK is ${size}, and this kernel counts BPF memory there`,
      follows: "without CAP_SYS_RESOURCE, by which the agent raises it, maps cannot be made",
      hint: "ulimit -l unlimited, or LimitMEMLOCK=infinity",
    });
  }
  found.ok("locked memory", `RLIMIT_MEMLOCK is ${size}`);
}

function formatMib(bytes: number): string {
  return `${Math.round(bytes / MIB * 10) / 10} MiB`;
}
