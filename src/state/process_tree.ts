/**
 * The processes of the host as the agent would know them, from /proc alone.
 *
 * @module
 */
import type { Process, ProcessFound } from "../events/mod.ts";
import { ProcessCache, type ProcessCacheOptions } from "./process_cache.ts";
import { resolveStartup } from "./startup_merge.ts";

/** A process and its children, oldest first. */
export interface ProcessTree {
  readonly process: Process;
  readonly children: readonly ProcessTree[];
}

/** A tree that is still being built. */
interface GrowingTree extends ProcessTree {
  readonly children: GrowingTree[];
}

/**
 * Runs what `scanProcesses()` found through a cache of its own.
 *
 * @returns the roots: `<kernel>` first, then processes whose parent ended during the scan.
 */
export function buildProcessTree(
  found: readonly ProcessFound[],
  options: ProcessCacheOptions,
): ProcessTree[] {
  const cache = new ProcessCache({
    ...options,
    entriesMax: found.length + 1,
    bytesMax: Number.MAX_SAFE_INTEGER,
  });
  const kernel: GrowingTree = { process: cache.kernel.process, children: [] };
  const byExecId = new Map<string, GrowingTree>([[kernel.process.execId, kernel]]);
  const roots = [kernel];
  for (const { fact } of resolveStartup(found, []).processes) {
    const process = cache.applyFound(fact)?.process;
    if (process === undefined) continue;
    const tree: GrowingTree = { process, children: [] };
    byExecId.set(process.execId, tree);
    (byExecId.get(process.parentExecId)?.children ?? roots).push(tree);
  }
  return roots;
}
