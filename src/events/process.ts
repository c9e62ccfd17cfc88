/**
 * A process as the agent knows it. Immutable once published: a change makes a new object, so a sink
 * may hold the one it was given, and caches keyed by the object never go stale.
 *
 * @module
 */
import type { Text } from "./text.ts";
import type { Workload } from "./workload.ts";

/**
 * Credentials as seen from the initial user namespace. Capabilities are bit sets by number. An id
 * that is not known is 4294967295, which no process ever has.
 */
export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  readonly euid: number;
  readonly egid: number;
  readonly suid: number;
  readonly sgid: number;
  readonly fsuid: number;
  readonly fsgid: number;
  readonly secureBits: number;
  /** Audit login uid; 4294967295 when unset. */
  readonly loginUid: number;
  /** Audit session; 4294967295 when unset. */
  readonly sessionId: number;
  readonly userNsLevel: number;
  readonly userNsUid: number;
  readonly userNsGid: number;
  readonly capPermitted: bigint;
  readonly capEffective: bigint;
  readonly capInheritable: bigint;
  readonly capAmbient: bigint;
}

/** Inode numbers of the namespaces as in /proc/PID/ns; 0 where the kernel lacks the kind. */
export interface Namespaces {
  readonly uts: number;
  readonly ipc: number;
  readonly mnt: number;
  readonly pid: number;
  readonly pidForChildren: number;
  readonly net: number;
  readonly time: number;
  readonly timeForChildren: number;
  readonly cgroup: number;
  readonly user: number;
}

/**
 * The file a process runs, resolved by the kernel: symbolic links and /proc/self/exe are followed.
 */
export interface Executable {
  readonly path: Text;
  readonly inode: bigint;
  /** Superblock device. On overlayfs and btrfs stat(2) may show another. */
  readonly device: { readonly major: number; readonly minor: number };
  readonly links: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** The file had no name any more when it was executed. */
  readonly deleted: boolean;
  readonly memfd: boolean;
}

/** How an exec raised privileges; named as in Tetragon's `binary_properties`. */
export type PrivilegeChange =
  | "PRIVILEGES_RAISED_EXEC_FILE_CAP"
  | "PRIVILEGES_RAISED_EXEC_FILE_SETUID"
  | "PRIVILEGES_RAISED_EXEC_FILE_SETGID";

/** What an exec of a setuid, setgid or capability-carrying file did. */
export interface PrivilegeRaise {
  /** New effective uid, when the setuid bit changed it. */
  readonly setuid?: number;
  /** New effective gid, when the setgid bit changed it. */
  readonly setgid?: number;
  readonly changes: readonly PrivilegeChange[];
}

/** Where a process lives in the tracked cgroup hierarchy. Ids are 0 when unknown. */
export interface CgroupPlace {
  readonly id: bigint;
  /** The cgroup that names its workload: this one or an ancestor. */
  readonly trackingId: bigint;
  /** Depth of `id`; the root is 0. */
  readonly level: number;
  readonly hierarchy: number;
  /** Path of `id` within the hierarchy, when known. */
  readonly path?: string;
}

/** One image of one thread group: a fork starts it, the next exec in the same pid ends it. */
export interface Process {
  /** base64 of `<node>:<start ktime ns>:<tgid>`. */
  readonly execId: string;
  /** exec_id of the parent, or of the image before an exec without fork; "" for `<kernel>`. */
  readonly parentExecId: string;
  readonly tgid: number;
  /** tgid in the process's own pid namespace. */
  readonly namespaceTgid: number;
  /** Depth of that namespace; 0 is the initial one. */
  readonly pidNsLevel: number;
  /**
   * Time of the fork or exec that made this image, CLOCK_MONOTONIC ns; from /proc: boot time ns.
   */
  readonly ktimeNs: bigint;
  /** The same moment in ns since the epoch. */
  readonly startTimeNs: bigint;
  /** File name given to execve, joined with cwd when relative. */
  readonly binary: Text;
  /** Interpreter of a `#!` script or binfmt_misc entry, when there was one. */
  readonly interpreter?: Text;
  readonly exe?: Executable;
  /** argv with argv[0]. */
  readonly argv: readonly Text[];
  /** "" when unknown. */
  readonly cwd: Text;
  /** `NAME=value` strings, only when collected. */
  readonly environment?: readonly Text[];
  /** Tetragon's flag words in its order, space-joined, such as "execve rootcwd clone". */
  readonly flags: string;
  readonly credentials: Credentials;
  readonly namespaces: Namespaces;
  readonly privileges?: PrivilegeRaise;
  /** A container's init or a descendant of one. */
  readonly inInitTree: boolean;
  readonly cgroup: CgroupPlace;
  /** Whose it is, as far as that was known when this object was made. */
  readonly workload: Workload;
  /** The cache did not know the process: only pid and start time are facts. */
  readonly unknown: boolean;
}
