/**
 * Facts: what a record says has happened. Decoders make them, only they change state.
 *
 * @module
 */
import type { FactBase } from "./fact_base.ts";
import type { NetworkFact } from "./network.ts";
import type { PolicyHit } from "./policy.ts";
import type { CgroupPlace, Credentials, Executable, Namespaces } from "./process.ts";
import type { SignalFact } from "./signal.ts";
import type { Text } from "./text.ts";

/** A thread group was made and has not run yet. */
export interface ProcessForked extends FactBase {
  readonly type: "process_forked";
  readonly parentTgid: number;
  readonly parentTid: number;
  readonly parentStartNs: bigint;
  readonly parentIsKernel: boolean;
  readonly pidNsLevel: number;
  readonly credentials: Credentials;
  readonly namespaces: Namespaces;
}

/** What went wrong while an exec was read; each has a word in Tetragon's flags or ours. */
export interface ExecProblems {
  readonly argumentsCut: boolean;
  readonly argumentsFailed: boolean;
  readonly environmentCut: boolean;
  readonly environmentFailed: boolean;
  readonly filenameCut: boolean;
  readonly filenameFailed: boolean;
  readonly cwdCut: boolean;
  readonly cwdFailed: boolean;
  readonly exeCut: boolean;
}

/** What an exec gave that the caller did not have. */
export interface ExecGains {
  /** Another effective uid, by one that was not root. */
  readonly euid: boolean;
  /** Another effective gid. */
  readonly egid: boolean;
  /** Permitted capabilities. */
  readonly capabilities: boolean;
}

/** A thread group runs a new image. */
export interface ProcessExecuted extends FactBase {
  readonly type: "process_executed";
  readonly parentTgid: number;
  readonly parentStartNs: bigint;
  readonly parentIsKernel: boolean;
  /** Thread that called exec; differs from tgid when it was not the leader. */
  readonly oldTid: number;
  readonly pidNsLevel: number;
  readonly credentials: Credentials;
  readonly namespaces: Namespaces;
  /** As given to execve, not joined with cwd. */
  readonly filename: Text;
  readonly interpreter?: Text;
  readonly exe?: Executable;
  readonly cwd: Text;
  readonly argv: readonly Text[];
  readonly environment?: readonly Text[];
  readonly secureExec: boolean;
  readonly gained: ExecGains;
  readonly problems: ExecProblems;
}

/** The last thread of a group has ended. */
export interface ProcessExited extends FactBase {
  readonly type: "process_exited";
  /** As wait(2) gives it. */
  readonly exitCode: number;
  readonly lastTid: number;
}

/** A process that ran before the agent, read from /proc. */
export interface ProcessFound {
  readonly type: "process_found";
  readonly tgid: number;
  readonly namespaceTgid: number;
  readonly pidNsLevel: number;
  /** Field 22 of /proc/PID/stat: clock ticks (USER_HZ, 100 a second) since boot. */
  readonly startTicks: bigint;
  /** CLOCK_MONOTONIC ns before and after this process was read. */
  readonly readFromNs: bigint;
  readonly readToNs: bigint;
  readonly parentTgid: number;
  readonly parentIsKernel: boolean;
  readonly credentials: Credentials;
  readonly namespaces: Namespaces;
  readonly exe?: Executable;
  readonly argv: readonly Text[];
  /** `argv` was longer than the scan reads. */
  readonly argumentsCut?: boolean;
  readonly cwd: Text;
  readonly environment?: readonly Text[];
  readonly cgroup: CgroupPlace;
}

/**
 * What facts about a cgroup carry. `cgroup` is the cgroup itself; the process is the one that was
 * moved, else the one that acted.
 */
export interface CgroupFactBase extends FactBase {
  /** 0 for the root of the hierarchy. */
  readonly parentId: bigint;
  /** CLOCK_MONOTONIC ns of its making; 0 when that was not seen. */
  readonly createdNs: bigint;
  /** Within the hierarchy; may be cut, see `isPathCut`. */
  readonly path: Text;
  /** The kernel cuts long paths at the end that names the cgroup. */
  readonly isPathCut: boolean;
  /** Last part of the path, whole; "" for the root. */
  readonly name: Text;
  /** By the kernel's map: cgroups made below belong to the same workload. */
  readonly isLeaf: boolean;
  /** By the kernel's map: that workload is a container. */
  readonly isContainer: boolean;
  /** Deeper than the kernel's map goes. */
  readonly isTooDeep: boolean;
  /** Made, but its maker or workload has its share of the tables: an ancestor stands for it. */
  readonly isOverShare?: boolean;
  /** tgid of the process that did it. */
  readonly actorTgid: number;
}

/** A cgroup was made; nothing has entered it. */
export interface CgroupCreated extends CgroupFactBase {
  readonly type: "cgroup_created";
}

/** Its directory was removed: nothing will enter it again, and its path may be used again. */
export interface CgroupRemoved extends CgroupFactBase {
  readonly type: "cgroup_removed";
}

/** The kernel has let go of a removed cgroup. */
export interface CgroupReleased extends CgroupFactBase {
  readonly type: "cgroup_released";
}

/**
 * It has another name, and so another path, as have all below it. Only v1 can do that, and only
 * within the parent.
 */
export interface CgroupRenamed extends CgroupFactBase {
  readonly type: "cgroup_renamed";
}

/** A task was moved into it; told on request, and always of the agent's own moves. */
export interface CgroupAttached extends CgroupFactBase {
  readonly type: "cgroup_attached";
  /** False when a thread was moved alone. */
  readonly isWholeGroup: boolean;
  /** Moved by the kernel: v1 cpuset whose cgroup lost its CPUs. */
  readonly isTransfer: boolean;
}

/** A cgroup that was there before the agent, read from the file system. */
export interface CgroupFound {
  readonly type: "cgroup_found";
  readonly hierarchy: number;
  readonly id: bigint;
  /** 0 for the root, or when the parent is hidden. */
  readonly parentId: bigint;
  readonly level: number;
  readonly path: string;
  /** Whether it or one below it has processes. */
  readonly isPopulated: boolean;
}

/** Facts about processes from records. */
export type ProcessFact = ProcessForked | ProcessExecuted | ProcessExited;
/** Facts about cgroups from records. */
export type CgroupFact =
  | CgroupCreated
  | CgroupRemoved
  | CgroupReleased
  | CgroupRenamed
  | CgroupAttached;
/** Facts that a record of the kernel can make. */
export type KernelFact = ProcessFact | CgroupFact | PolicyHit | NetworkFact | SignalFact;
/** Everything that changes state. */
export type Fact = KernelFact | ProcessFound | CgroupFound;
