/**
 * The cgroups that exist.
 *
 * @module
 */
import type { HostFiles } from "./host_files.ts";
import type { Hierarchy } from "./hierarchy.ts";
import { walkDirectories } from "./walk_directories.ts";

/** As many as the kernel's table of cgroups holds. */
export const WALKED_CGROUPS_MAX = 32_768;

/** Directories beyond the limit are counted, up to this many in all. */
const COUNTED_MAX = 8 * WALKED_CGROUPS_MAX;

/** A cgroup found in the file system. */
export interface WalkedCgroup {
  /** Below the mount, "/" for the mount's own. */
  readonly path: string;
  readonly id: bigint;
  /** 0 when the parent is not below the mount. */
  readonly parentId: bigint;
  /** Levels below the root of the hierarchy; below the mount when `isLevelRelative`. */
  readonly level: number;
  /** Whether it or one below it has processes. */
  readonly isPopulated: boolean;
}

/** What a walk found; parents stand before their children. */
export interface CgroupWalk {
  readonly hierarchyId: number;
  readonly cgroups: readonly WalkedCgroup[];
  /** Found beyond the limit; a lower bound when `isCountCut`. */
  readonly beyondLimit: number;
  readonly isCountCut: boolean;
  /** The hierarchy's root is hidden: levels are counted from the mount. */
  readonly isLevelRelative: boolean;
}

/**
 * Walks a hierarchy from its mount, shallow ones first. Directories come and go meanwhile: what has
 * gone is left out with all below it. Blocks for about 8 us per cgroup.
 */
export function walkCgroups(
  files: HostFiles,
  hierarchy: Hierarchy,
  limit = WALKED_CGROUPS_MAX,
): CgroupWalk {
  const { hierarchyId, mount, mountLevel = 0, version } = hierarchy;
  const cgroups: Writable<WalkedCgroup>[] = [];
  const ids: bigint[] = [];
  let count = 0;
  if (mount !== undefined) {
    for (
      const { path, inode, depth, parentIndex } of walkDirectories(files, mount.path, COUNTED_MAX)
    ) {
      if (++count > limit) continue;
      const id = BigInt(inode);
      ids.push(id);
      cgroups.push({
        path: path.slice(mount.path.length) || "/",
        id,
        parentId: ids[parentIndex] ?? 0n,
        level: mountLevel + depth,
        isPopulated: version === 2 ? isPopulatedV2(files, path) : hasProcesses(files, path),
      });
    }
  }
  if (version === 1) spreadToParents(cgroups);
  return {
    hierarchyId,
    cgroups,
    beyondLimit: Math.max(count - limit, 0),
    isCountCut: count === COUNTED_MAX,
    isLevelRelative: hierarchy.mountLevel === undefined,
  };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** The root has no such file, and always processes: those of the kernel. */
function isPopulatedV2(files: HostFiles, path: string): boolean {
  const events = files.readText(`${path}/cgroup.events`);
  return events === undefined || /^populated 1$/m.test(events);
}

function hasProcesses(files: HostFiles, path: string): boolean {
  return (files.readText(`${path}/cgroup.procs`) ?? "") !== "";
}

/** v1 tells of each cgroup alone. Children stand behind their parents. */
function spreadToParents(cgroups: Writable<WalkedCgroup>[]): void {
  const byId = new Map(cgroups.map((cgroup) => [cgroup.id, cgroup]));
  for (const { isPopulated, parentId } of cgroups.toReversed()) {
    const parent = byId.get(parentId);
    if (isPopulated && parent !== undefined) parent.isPopulated = true;
  }
}
