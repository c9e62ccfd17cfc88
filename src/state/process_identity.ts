/**
 * Whose a process is. The cgroup says it, but for a host process that only entered the cgroup of a
 * container: a runtime that prepares one, a supervisor, an operator's shell.
 *
 * @module
 */
import type { CgroupPlace, Namespaces, Process, Workload } from "../events/mod.ts";

/** Where a process is and whose it is. */
export interface Identity {
  readonly cgroup: CgroupPlace;
  readonly workload: Workload;
}

/** What is known of the cgroup in which a process was seen, by CLOCK_MONOTONIC ns and tgid. */
export type IdentityOf = (place: CgroupPlace, timeNs: bigint, tgid: number) => Identity;

/**
 * Told of each process that came into a container out of another workload, or from nobody knows
 * where, and gives whose it is. Must not throw.
 */
export type EnteredListener = (identity: Identity, from: Workload | undefined) => Workload;

const NOT_FOLLOWED: Workload = Object.freeze({
  kind: "host",
  name: "unknown",
  id: "unknown",
  source: "none",
  reason: "cgroups_not_followed",
});

/** Of `<kernel>`, which is in no cgroup. */
export const HOST_WORKLOAD: Workload = Object.freeze({
  kind: "host",
  name: "host",
  id: "host",
  source: "kernel",
});

/** For agents that do not follow cgroups. */
export function identityWithoutCgroups(cgroup: CgroupPlace): Identity {
  return { cgroup, workload: NOT_FOLLOWED };
}

/**
 * Whether a process only visits a container's cgroup.
 *
 * A process comes into a container in one of two ways: it is forked there, or it is made outside,
 * moved into the cgroup, and put into namespaces of the container. Until then it is not the
 * container's: it still has pid and mount namespace of the process that it descends from, which is
 * another workload's. (With `--pid=host` the mount namespace is the one that differs.)
 *
 * @param workload whose cgroup the process is in
 * @param origin the process it was forked from; for an exec without fork the image before it
 */
export function comesFromOutside(
  workload: Workload,
  namespaces: Namespaces,
  origin: Process | undefined,
): origin is Process {
  if (!hasNamespaces(workload) || origin === undefined || origin.unknown) return false;
  if (origin.workload.id === workload.id || origin.workload.source === "none") return false;
  const { pid, mnt } = origin.namespaces;
  return pid !== 0 && mnt !== 0 && pid === namespaces.pid && mnt === namespaces.mnt;
}

/** Whether a process is in a container and its origin is not. */
export function entersContainer(workload: Workload, origin: Process | undefined): boolean {
  return hasNamespaces(workload) && origin?.workload.id !== workload.id;
}

/** Whether a process only visits the cgroup it is in. */
export function isVisitor({ reason }: Workload): boolean {
  return reason === "entered_from_outside";
}

function hasNamespaces({ kind }: Workload): boolean {
  return kind === "container" || kind === "pod" || kind === "machine";
}
