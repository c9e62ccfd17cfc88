/**
 * Facts about cgroups for tests.
 *
 * @module
 */
import type { CgroupFact, CgroupFound } from "../../src/events/mod.ts";
import { OWN_CGROUP_SIZE, OwnCgroupLimit, OwnCgroupOffset } from "../../src/wire/mod.ts";

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

/** What a test chooses about its own process in the eyes of the kernel. */
export interface SampleOwnCgroup {
  readonly id: bigint;
  readonly path: string;
  readonly hierarchy?: number;
  readonly tgid?: number;
  readonly leaderStartNs?: bigint;
}

/** Row 0 of the map `own_cgroup`, as the program leaves it. */
export function ownCgroupRow(own: SampleOwnCgroup): Uint8Array<ArrayBuffer> {
  const { OWN_CGROUP_NAMES_MAX: namesMax, OWN_CGROUP_NAME_SIZE: nameSize } = OwnCgroupLimit;
  const row = new Uint8Array(OWN_CGROUP_SIZE + namesMax * nameSize);
  const view = new DataView(row.buffer);
  const names = own.path.split("/").filter((name) => name !== "").reverse();
  view.setBigUint64(OwnCgroupOffset.id, own.id, true);
  view.setBigUint64(OwnCgroupOffset.leaderStartNs, own.leaderStartNs ?? 5n, true);
  view.setUint32(OwnCgroupOffset.tgid, own.tgid ?? 50, true);
  view.setUint32(OwnCgroupOffset.level, names.length, true);
  view.setUint32(OwnCgroupOffset.hierarchy, own.hierarchy ?? 0, true);
  for (const [index, name] of names.slice(0, namesMax).entries()) {
    row.set(new TextEncoder().encode(name), OWN_CGROUP_SIZE + index * nameSize);
  }
  return row;
}
