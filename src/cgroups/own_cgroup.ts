/**
 * Cgroup ids as user space reads them, and whether the kernel side means the same.
 *
 * @module
 */
import type { HostFiles } from "./host_files.ts";

/** The part of libc that is used. */
export interface FileHandles {
  /** @throws when the system call fails */
  nameToHandle(path: string): { readonly type: number; readonly bytes: Uint8Array<ArrayBuffer> };
}

/** An id read in two ways. */
export interface CgroupIdReading {
  /** Undefined when neither way worked, or they differ. */
  readonly id: bigint | undefined;
  readonly fromHandle: bigint | undefined;
  readonly fromInode: bigint | undefined;
  /** What failed or differs. */
  readonly problem?: string;
}

/** FILEID_KERNFS of include/linux/exportfs.h; FILEID_INO32_GEN before Linux 5.5. */
const FILEID_KERNFS = 0xfe;

/**
 * The id of the cgroup at a path: the kernfs id, which the file handle holds, and which is the
 * inode number on 64-bit machines since Linux 5.5. Containers may forbid the handle (seccomp).
 */
export function readCgroupId(
  files: HostFiles,
  path: string,
  handles: FileHandles,
): CgroupIdReading {
  const inode = files.directory(path)?.inode;
  const fromInode = inode === undefined ? undefined : BigInt(inode);
  let fromHandle: bigint | undefined;
  let problem: string | undefined;
  try {
    const { type, bytes } = handles.nameToHandle(path);
    if (type === FILEID_KERNFS && bytes.length >= 8) {
      fromHandle = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
    } else {
      problem =
        `file handle of "${path}" has type ${type} and ${bytes.length} bytes, not a kernfs id`;
    }
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  if (fromHandle !== undefined && fromInode !== undefined && fromHandle !== fromInode) {
    problem = `cgroup "${path}" has id ${fromHandle} by file handle, ${fromInode} by inode`;
    return { id: undefined, fromHandle, fromInode, problem };
  }
  return {
    id: fromHandle ?? fromInode,
    fromHandle,
    fromInode,
    ...(problem === undefined ? {} : { problem }),
  };
}

/** What a kernel hook reported about the agent's own task. */
export interface KernelCgroup {
  /** 0: the hook found none. */
  readonly id: bigint;
  readonly hierarchyId: number;
  readonly level: number;
}

/** Whether kernel and user space name the agent's cgroup alike. */
export interface OwnCgroupReport {
  readonly outcome: "match" | "mismatch" | "unknown";
  readonly userId: bigint | undefined;
  readonly kernelId: bigint | undefined;
  /** Level of the agent's cgroup as the kernel counts; tells how many parents a namespace hides. */
  readonly kernelLevel: number | undefined;
  readonly text: string;
  /** What follows for tracking. */
  readonly follows: string;
}

/**
 * Compares the id of the agent's own cgroup. Only a match proves that the kernel side follows the
 * hierarchy that user space has chosen.
 *
 * @param user id and hierarchy as chosen here; id undefined when it could not be read
 * @param kernel undefined when no hook ran
 */
export function verifyOwnCgroup(
  user: { readonly id: bigint | undefined; readonly hierarchyId: number },
  kernel: KernelCgroup | undefined,
): OwnCgroupReport {
  const ids = { userId: user.id, kernelId: kernel?.id, kernelLevel: kernel?.level };
  if (kernel === undefined) {
    return {
      ...{ outcome: "unknown", ...ids, text: "no kernel hook has reported this process yet" },
      follows: "that both follow the same hierarchy is not proved",
    };
  }
  if (kernel.id === 0n) {
    return {
      ...{ outcome: "mismatch", ...ids, text: "the kernel side finds no cgroup of this process" },
      follows: "events have no cgroup; names come from /proc",
    };
  }
  if (kernel.hierarchyId !== user.hierarchyId) {
    const text = `the kernel side follows hierarchy ${kernel.hierarchyId} (own id ${kernel.id}), ` +
      `user space has chosen ${user.hierarchyId} (own id ${user.id ?? "not read"})`;
    return { outcome: "mismatch", ...ids, text, follows: DISTRUST };
  }
  if (user.id === undefined) {
    return {
      ...{ outcome: "unknown", ...ids },
      text: `the kernel says ${kernel.id}; user space cannot read its own id`,
      follows: "ids in events cannot be tied to paths until a directory with that id is seen",
    };
  }
  if (user.id === kernel.id) {
    const text = `own cgroup has id ${user.id} in the kernel and in user space`;
    return { outcome: "match", ...ids, text, follows: "the chosen hierarchy is proved" };
  }
  const text = `own cgroup has id ${kernel.id} in the kernel, ${user.id} in user space`;
  return { outcome: "mismatch", ...ids, text, follows: DISTRUST };
}

const DISTRUST = "ids in events are not looked up in the walked tree; names come from /proc";
