/**
 * Where the kernel sees this process among the cgroups of the tracked hierarchy.
 *
 * @module
 */
import { OWN_CGROUP_SIZE, OwnCgroupLimit, OwnCgroupOffset as Own } from "../wire/mod.ts";
import type { LoadedSensors } from "./load_sensors.ts";

/** This process in the eyes of the kernel. */
export interface KernelOwnCgroup {
  /** 0: the kernel side finds no cgroup of this process. */
  readonly id: bigint;
  readonly hierarchyId: number;
  readonly level: number;
  /** From the root of the hierarchy, cgroup namespaces or not; undefined when not whole. */
  readonly path: string | undefined;
  /** In the initial pid namespace. */
  readonly tgid: number;
  readonly leaderStartNs: bigint;
}

/**
 * Asks the kernel side now; undefined when it has no program for that.
 *
 * @throws {LibbpfError} the kernel cannot run it.
 */
export function readOwnCgroup(
  sensors: Pick<LoadedSensors, "runProgram">,
): KernelOwnCgroup | undefined {
  const row = sensors.runProgram("read_own_cgroup", "own_cgroup");
  if (row === undefined) return undefined;
  const view = new DataView(row.buffer);
  const id = view.getBigUint64(Own.id, true);
  const level = view.getUint32(Own.level, true);
  return {
    id,
    hierarchyId: view.getUint32(Own.hierarchy, true),
    level,
    path: id === 0n ? undefined : readPath(row, level),
    tgid: view.getUint32(Own.tgid, true),
    leaderStartNs: view.getBigUint64(Own.leaderStartNs, true),
  };
}

/** As many names as levels; the root has none. */
function readPath(row: Uint8Array<ArrayBuffer>, level: number): string | undefined {
  if (level > OwnCgroupLimit.OWN_CGROUP_NAMES_MAX) return undefined;
  const names: string[] = [];
  for (let i = 0; i < level; i++) {
    const at = OWN_CGROUP_SIZE + i * OwnCgroupLimit.OWN_CGROUP_NAME_SIZE;
    const name = row.subarray(at, at + OwnCgroupLimit.OWN_CGROUP_NAME_SIZE);
    names.unshift(new TextDecoder().decode(name.subarray(0, name.indexOf(0))));
  }
  return `/${names.join("/")}`;
}
