/**
 * What a cgroup table is made with, and what it tells.
 *
 * @module
 */
import type { Counters } from "../telemetry/mod.ts";
import type { CgroupTracking, KnownCgroup } from "./cgroup_entry.ts";

/** What has become of a cgroup, told after it has. */
export type CgroupChange =
  /** It is known from now on. */
  | "added"
  /** Path, time of making or workload are known better. */
  | "changed"
  /** It is gone; late events may still come. */
  | "removed"
  /** It is not in the table any more. */
  | "forgotten";

/** A change. Must not change the table, nor throw. */
export type CgroupListener = (change: CgroupChange, cgroup: KnownCgroup) => void;

/** What the kernel's table has about a cgroup; its name may be cut. */
export interface RecalledCgroup {
  readonly parentId: bigint;
  readonly trackingId: bigint;
  readonly createdNs: bigint;
  readonly level: number;
  readonly isLeaf: boolean;
  readonly isContainer: boolean;
  /** Last part of the path; undefined when it was cut. */
  readonly name: string | undefined;
}

/** What a table needs. */
export interface CgroupTableOptions {
  /** Number of the tracked hierarchy; facts about others are ignored. */
  readonly hierarchy: number;
  readonly counters: Counters;
  /** Cgroups held at most. Default 16,384, as many as the kernel's table has. */
  readonly entriesMax?: number;
  /** How long a removed cgroup stays. Default 60,000 ms. */
  readonly removalDelayMs?: number;
  /** Whose workload a path is; without it the kernel's guess by the name counts. */
  readonly track?: (path: string) => CgroupTracking;
  /** Whether the directory with that id is there; without it nothing is looked for. */
  readonly exists?: (path: string, id: bigint) => boolean;
  /** Asks the kernel's table, when a record of a making was lost. */
  readonly recall?: (id: bigint) => RecalledCgroup | undefined;
  readonly onChange?: CgroupListener;
}
