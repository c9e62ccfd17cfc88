/**
 * System calls that do the same, and the LSM hooks that are asked whichever of them it is.
 *
 * @module
 */

/** Calls that reach the same thing. A rule on one of them does not see the others. */
export interface CallGroup {
  /** What they do, as in "also open files". */
  readonly does: string;
  readonly calls: readonly string[];
  /** Also done by io_uring, which makes no system call for it. */
  readonly hasUring?: true;
  /** LSM hook that sees the object, and its argument with it. */
  readonly lsm?: { readonly hook: string; readonly index: number; readonly type: string };
}

/** Every group. */
export const CALL_GROUPS: readonly CallGroup[] = [
  {
    does: "open files",
    calls: ["open", "openat", "openat2", "creat", "open_by_handle_at"],
    hasUring: true,
    lsm: { hook: "file_open", index: 0, type: "file" },
  },
  {
    does: "run programs",
    calls: ["execve", "execveat"],
    lsm: { hook: "bprm_check_security", index: 0, type: "linux_binprm" },
  },
  {
    does: "change how long files are",
    calls: ["truncate", "ftruncate"],
    hasUring: true,
    lsm: { hook: "path_truncate", index: 0, type: "path" },
  },
  {
    does: "change modes of files",
    calls: ["chmod", "fchmod", "fchmodat", "fchmodat2"],
    lsm: { hook: "path_chmod", index: 0, type: "path" },
  },
  {
    does: "change owners of files",
    calls: ["chown", "lchown", "fchown", "fchownat"],
    lsm: { hook: "path_chown", index: 0, type: "path" },
  },
  { does: "remove files", calls: ["unlink", "unlinkat", "rmdir"], hasUring: true },
  { does: "rename files", calls: ["rename", "renameat", "renameat2"], hasUring: true },
  { does: "link files", calls: ["link", "linkat"], hasUring: true },
  { does: "make symbolic links", calls: ["symlink", "symlinkat"], hasUring: true },
  { does: "make folders", calls: ["mkdir", "mkdirat"], hasUring: true },
  { does: "make device files", calls: ["mknod", "mknodat"] },
  {
    does: "send to an address",
    calls: ["connect", "sendto", "sendmsg", "sendmmsg"],
    hasUring: true,
  },
  { does: "accept connections", calls: ["accept", "accept4"], hasUring: true },
  {
    does: "send signals",
    calls: [
      ...["kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"],
    ],
  },
  { does: "load modules", calls: ["init_module", "finit_module"] },
  { does: "mount", calls: ["mount", "move_mount"] },
  { does: "reach into processes", calls: ["ptrace", "process_vm_readv", "process_vm_writev"] },
  { does: "make processes", calls: ["clone", "clone3", "fork", "vfork"] },
];

/** System calls with paths, and which of their arguments these are. */
export const PATH_ARGUMENTS: ReadonlyMap<string, readonly number[]> = new Map(
  Object.entries({
    ...{ open: [0], openat: [1], openat2: [1], creat: [0], execve: [0], execveat: [1] },
    ...{ truncate: [0], chmod: [0], fchmodat: [1], fchmodat2: [1], chown: [0], lchown: [0] },
    ...{ fchownat: [1], unlink: [0], unlinkat: [1], rmdir: [0], rename: [0, 1] },
    ...{ renameat: [1, 3], renameat2: [1, 3], link: [0, 1], linkat: [1, 3], symlink: [0, 1] },
    ...{ symlinkat: [0, 2], mkdir: [0], mkdirat: [1], mknod: [0], mknodat: [1], mount: [0, 1] },
    ...{ umount2: [0], chdir: [0], chroot: [0], pivot_root: [0, 1], access: [0], stat: [0] },
    ...{ faccessat: [1], faccessat2: [1], newfstatat: [1], statx: [1], readlink: [0] },
    ...{ readlinkat: [1], setxattr: [0], lsetxattr: [0], removexattr: [0], lremovexattr: [0] },
    ...{ utimensat: [1], name_to_handle_at: [1], swapon: [0], acct: [0] },
  }),
);

/** The group of a call. */
export function groupOf(call: string): CallGroup | undefined {
  return CALL_GROUPS.find(({ calls }) => calls.includes(call));
}
