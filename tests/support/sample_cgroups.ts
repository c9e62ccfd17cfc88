/**
 * Facts about cgroups for tests.
 *
 * @module
 */
import type { CgroupFact, CgroupFound } from "../../src/events/mod.ts";

/** What tests choose about a cgroup. */
export interface SampleCgroup {
  readonly id: bigint;
  readonly path: string;
  readonly parentId?: bigint;
  readonly createdNs?: bigint;
  readonly trackingId?: bigint;
  readonly level?: number;
  readonly hierarchy?: number;
  readonly isPathCut?: boolean;
  readonly isTooDeep?: boolean;
  readonly isLeaf?: boolean;
}

/** A fact of that type about it; made at `timeNs` unless it says another time. */
export function cgroupFact<T extends CgroupFact["type"]>(
  type: T,
  cgroup: SampleCgroup,
  timeNs: bigint,
): Extract<CgroupFact, { type: T }> {
  const { id, path, parentId = 1n, createdNs = timeNs, trackingId = id } = cgroup;
  const { level = path.split("/").length - 1, hierarchy = 0, isPathCut = false } = cgroup;
  const fact = {
    type,
    timeNs,
    cpu: 0,
    tgid: 50,
    tid: 50,
    namespaceTgid: 50,
    leaderStartNs: 5n,
    cgroup: { id, trackingId, level, hierarchy },
    parentId,
    createdNs,
    path: { text: isPathCut ? path.slice(0, 1023) : path },
    isPathCut,
    name: { text: path.slice(path.lastIndexOf("/") + 1) },
    isLeaf: cgroup.isLeaf ?? false,
    isContainer: false,
    isTooDeep: cgroup.isTooDeep ?? false,
    actorTgid: 50,
    ...(type === "cgroup_attached" && { isWholeGroup: true, isTransfer: false }),
  };
  return fact as unknown as Extract<CgroupFact, { type: T }>;
}

/** The walk has found it. */
export function cgroupFound({ id, path, parentId = 1n, ...more }: SampleCgroup): CgroupFound {
  const level = path === "/" ? 0 : path.split("/").length - 1;
  return {
    type: "cgroup_found",
    ...{ hierarchy: more.hierarchy ?? 0, id, level, path, isPopulated: true },
    parentId: level === 0 ? 0n : parentId,
  };
}
