/**
 * What this process may do.
 *
 * @module
 */
import type { HostFiles } from "../cgroups/mod.ts";
import { type Finding, TopicFindings } from "./finding.ts";

/** /proc/self/status, as far as it is needed. */
export interface Rights {
  /** Effective user id. */
  readonly uid: number | undefined;
  /** CapEff. */
  readonly capabilities: bigint | undefined;
  /** CapBnd. */
  readonly bounding: bigint | undefined;
  /** 0 none, 1 strict, 2 filter. */
  readonly seccomp: number | undefined;
}

/** A capability the agent uses. */
interface NeededCapability {
  readonly bit: bigint;
  readonly isRequired: boolean;
  /** What does not work without. */
  readonly without: string;
}

/** CAP_SYS_ADMIN stands for BPF and PERFMON, which were a part of it before Linux 5.8. */
const CAP_SYS_ADMIN = 1n << 21n;
const CAP_PERFMON = 1n << 38n;

const CAPABILITIES: Readonly<Record<string, NeededCapability>> = {
  CAP_BPF: { bit: 1n << 39n, isRequired: true, without: "no program can be loaded" },
  CAP_PERFMON: {
    bit: CAP_PERFMON,
    isRequired: true,
    without: "programs may not read kernel memory, and rings cannot be opened",
  },
  CAP_SYS_PTRACE: {
    bit: 1n << 19n,
    isRequired: false,
    without: "processes that run before the agent lack binary, directory and namespaces",
  },
  CAP_DAC_READ_SEARCH: {
    bit: 1n << 2n,
    isRequired: false,
    without: "paths of processes below closed directories stay empty",
  },
};

/** Kernels since 5.11 account BPF memory in the memory cgroup, not here. */
const MEMLOCK_COUNTS_BEFORE = [5, 11] as const;
const CAP_SYS_RESOURCE = 1n << 24n;

/** Of include/linux/proc_ns.h. */
const INITIAL_USER_NS = "user:[4026531837]";

/** Reads what is needed below. */
export function readRights(files: HostFiles): Rights {
  const status = files.readText("/proc/self/status") ?? "";
  const field = (pattern: RegExp) => pattern.exec(status)?.[1];
  const mask = (name: string) => {
    const text = field(new RegExp(`^${name}:\\s*([0-9a-f]+)$`, "m"));
    return text === undefined ? undefined : BigInt(`0x${text}`);
  };
  const number = (text: string | undefined) => text === undefined ? undefined : Number(text);
  return {
    uid: number(field(/^Uid:\s*\d+\s+(\d+)/m)),
    capabilities: mask("CapEff"),
    bounding: mask("CapBnd"),
    seccomp: number(field(/^Seccomp:\s*(\d)/m)),
  };
}

/** Whether perf events are open to this process whatever perf_event_paranoid says. */
export function mayUsePerf({ capabilities = 0n }: Rights): boolean {
  return (capabilities & (CAP_PERFMON | CAP_SYS_ADMIN)) !== 0n;
}

export function checkRights(
  files: HostFiles,
  rights: Rights,
  kernelVersion: readonly [number, number],
): Finding[] {
  const found = new TopicFindings("rights");
  found.ok("user", rights.uid === undefined ? "not told" : `uid ${rights.uid}`);
  const namespace = files.readLink("/proc/self/ns/user");
  if (namespace !== undefined && namespace !== INITIAL_USER_NS) {
    found.problem("user namespace", {
      text: "this process is in a user namespace of its own",
      follows: "its capabilities do not count for BPF: no program can be loaded",
      hint: "run as root of the host (sudo), not in a rootless container",
    });
  }
  checkCapabilities(rights, kernelVersion, found);
  if (rights.seccomp === 2) {
    found.ok("seccomp", "a filter is on; it must allow bpf, perf_event_open, name_to_handle_at");
  }
  checkHiddenProcesses(files, rights, found);
  return found.findings;
}

function checkCapabilities(
  { capabilities, bounding }: Rights,
  [major, minor]: readonly [number, number],
  found: TopicFindings,
): void {
  if (capabilities === undefined) return found.ok("capabilities", "not told by /proc/self/status");
  const isAdmin = (capabilities & CAP_SYS_ADMIN) !== 0n;
  const present: string[] = isAdmin ? ["CAP_SYS_ADMIN"] : [];
  for (const [name, { bit, isRequired, without }] of Object.entries(CAPABILITIES)) {
    if ((capabilities & bit) !== 0n) present.push(name);
    else if (!isRequired) {
      found.warning(name, {
        text: "missing",
        follows: without,
        hint: hintFor(name, bit, bounding),
      });
    } else if (!isAdmin) {
      found.problem(name, {
        text: "missing",
        follows: without,
        hint: hintFor(name, bit, bounding),
      });
    }
  }
  const [limitMajor, limitMinor] = MEMLOCK_COUNTS_BEFORE;
  const isLocked = major < limitMajor || (major === limitMajor && minor < limitMinor);
  if ((capabilities & CAP_SYS_RESOURCE) !== 0n) present.push("CAP_SYS_RESOURCE");
  else if (isLocked) {
    found.warning("CAP_SYS_RESOURCE", {
      text: "missing",
      follows: "RLIMIT_MEMLOCK cannot be raised, and this kernel counts BPF memory there",
      hint: "start with `ulimit -l unlimited` or LimitMEMLOCK=infinity",
    });
  }
  found.ok("capabilities", present.length > 0 ? present.join(" ") : "none of those in use");
}

function hintFor(name: string, bit: bigint, bounding: bigint | undefined): string {
  return bounding !== undefined && (bounding & bit) === 0n
    ? `${name} is not in the bounding set: give it where the process is started ` +
      "(CapabilityBoundingSet=, --cap-add)"
    : `run as root (sudo), or give ${name} (AmbientCapabilities=, setcap)`;
}

function checkHiddenProcesses(files: HostFiles, rights: Rights, found: TopicFindings): void {
  const mount = (files.readText("/proc/self/mountinfo") ?? "").split("\n")
    .find((line) => / \/proc .* - proc /.test(line));
  const hidden = /hidepid=(\w+)/.exec(mount ?? "")?.[1];
  if (hidden === undefined || hidden === "0" || hidden === "off") return;
  const sees = ((rights.capabilities ?? 0n) & CAPABILITIES["CAP_SYS_PTRACE"]!.bit) !== 0n;
  if (sees) return found.ok("hidepid", `${hidden}, of no effect with CAP_SYS_PTRACE`);
  found.warning("hidepid", {
    text: `/proc is mounted with hidepid=${hidden}`,
    follows: "processes that run before the agent are not seen",
    hint: "give CAP_SYS_PTRACE",
  });
}
