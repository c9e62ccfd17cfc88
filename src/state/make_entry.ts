/**
 * Entries of the process cache as facts make them.
 *
 * @module
 */
import type { FactBase, Process } from "../events/mod.ts";
import { CacheEntry, NS_PER_TICK } from "./cache_entry.ts";
import { estimateSize } from "./entry_size.ts";

/** What an entry is made of; the rest has defaults. */
export interface EntryFacts {
  readonly process: Process;
  readonly startNs: bigint | undefined;
  readonly startTicks: bigint;
  readonly imageNs: bigint;
  readonly parent: CacheEntry | undefined;
  readonly forkOnly?: boolean;
  readonly found?: boolean;
  readonly isLookedUp?: boolean;
}

/** An entry with its size. */
export function makeEntry(init: EntryFacts): CacheEntry {
  const size = estimateSize(init.process, init.parent?.process);
  return new CacheEntry({ forkOnly: false, found: false, ...init, size });
}

/** Which group the fact is about, and since when its image runs. */
export function startOf(fact: FactBase): Pick<EntryFacts, "startNs" | "startTicks" | "imageNs"> {
  return {
    startNs: fact.leaderStartNs,
    startTicks: fact.leaderStartNs / NS_PER_TICK,
    imageNs: fact.timeNs,
  };
}

/** That of `<kernel>`, which is in no store. */
export function makeKernelEntry(process: Process): CacheEntry {
  return new CacheEntry({
    process,
    startNs: 1n,
    startTicks: 0n,
    imageNs: 0n,
    parent: undefined,
    forkOnly: false,
    found: true,
    size: 0,
  });
}
