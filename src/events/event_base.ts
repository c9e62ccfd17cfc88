/**
 * What all events about a process have.
 *
 * @module
 */
import type { Process } from "./process.ts";

/** Doubt about an event that is delivered all the same. */
export type EventMark =
  /** It came after a later event of another CPU had been delivered. */
  | "late"
  /** The record's tid was not its tgid; corrected. */
  | "tid_mismatch"
  /** The parent was not in the cache. */
  | "parent_unknown";

/** A process with the number of references that keep it cached, at the time of the event. */
export interface ProcessReference {
  readonly process: Process;
  readonly references: number;
}

/** What every event about a process carries. */
export interface ProcessEventBase {
  /** ns since the epoch. */
  readonly timeNs: bigint;
  readonly cpu: number;
  readonly subject: ProcessReference;
  /** Missing only for `<kernel>` and processes whose parent is not known. */
  readonly parent?: ProcessReference;
  /** Grandparent first; only on request. */
  readonly ancestors?: readonly ProcessReference[];
  readonly marks: readonly EventMark[];
}
