/**
 * Which worker serves which CPUs.
 *
 * @module
 */

/**
 * Workers that "auto" starts at most. Each costs about 7 MB of resident memory; 16 are 112 MB,
 * beyond that the agent would cost more than what it watches.
 */
export const AUTO_WORKERS_MAX = 16;

/** Number of workers for that many CPUs: one each up to the limit. */
export function workerLimit(workers: number | "auto"): number {
  if (workers === "auto") return AUTO_WORKERS_MAX;
  if (!Number.isInteger(workers) || workers < 1) {
    throw new RangeError(`Cannot start "${workers}" capture workers: it must be 1 or more`);
  }
  return workers;
}

/**
 * Spreads CPUs over at most `limit` groups whose sizes differ by one at most. Neighbours stay
 * together: they share caches and memory.
 */
export function groupCpus(cpus: readonly number[], limit: number): number[][] {
  const sorted = [...cpus].sort((a, b) => a - b);
  const count = Math.min(limit, sorted.length);
  const groups: number[][] = [];
  for (let index = 0; index < count; index++) {
    const from = Math.floor(index * sorted.length / count);
    const to = Math.floor((index + 1) * sorted.length / count);
    groups.push(sorted.slice(from, to));
  }
  return groups;
}
