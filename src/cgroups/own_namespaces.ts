/**
 * Which namespaces of the host this process is in.
 *
 * @module
 */
import type { HostFiles } from "./host_files.ts";

/** Numbers of the initial namespaces, of include/linux/proc_ns.h: the same on all kernels. */
const INITIAL = { cgroup: "cgroup:[4026531835]", pid: "pid:[4026531836]" } as const;

/**
 * Whether this process is in a namespace of its own, or of its container's; undefined where the
 * kernel has none of that kind or does not tell.
 */
export function isNamespaced(files: HostFiles, kind: keyof typeof INITIAL): boolean | undefined {
  const link = files.readLink(`/proc/self/ns/${kind}`);
  return link === undefined ? undefined : link !== INITIAL[kind];
}

/** Whether numbers in /proc are those of the kernel's records. */
export function hasHostPids(files: HostFiles): boolean {
  return isNamespaced(files, "pid") !== true;
}

/** What is to be said without them. */
export const OWN_PIDS = Object.freeze({
  text: "this process is in a pid namespace of its own, so /proc has other numbers than the kernel",
  follows:
    "processes older than the agent are not told at its start; each becomes known with its " +
    "next exec",
  hint: "give the agent's container the host's pids (docker run --pid=host, hostPID: true)",
});
