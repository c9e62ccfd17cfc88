/**
 * The directories of a hierarchy, level by level.
 *
 * @module
 */
import type { HostFiles } from "./host_files.ts";

/** Links of a directory without subdirectories; file systems that do not count give 1. */
const LEAF_LINKS = 2;

/** A directory of a walk. */
export interface WalkedDirectory {
  readonly path: string;
  readonly inode: number;
  /** 0 for the top. */
  readonly depth: number;
  /** Place of the parent in the order of the walk; -1 for the top. */
  readonly parentIndex: number;
}

/** The directories from `top` down, level by level, at most `limit`. */
export function* walkDirectories(
  files: HostFiles,
  top: string,
  limit: number,
): Generator<WalkedDirectory> {
  let level: Omit<WalkedDirectory, "inode" | "depth">[] = [{ path: top, parentIndex: -1 }];
  let count = 0;
  for (let depth = 0; level.length > 0; depth++) {
    const below: typeof level = [];
    for (const { path, parentIndex } of level) {
      const state = files.directory(path);
      if (state === undefined) continue;
      if (count === limit) return;
      yield { path, inode: state.inode, depth, parentIndex };
      // kernfs counts subdirectories as links, so leaves, which most are, need not be read.
      if (state.linkCount !== LEAF_LINKS) {
        for (const name of files.subdirectories(path)) {
          below.push({ path: `${path}/${name}`, parentIndex: count });
        }
      }
      count++;
    }
    level = below;
  }
}
