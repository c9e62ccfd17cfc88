/**
 * What all facts have.
 *
 * @module
 */
import type { CgroupPlace } from "./process.ts";

/** What every fact from the kernel carries. */
export interface FactBase {
  /** CLOCK_MONOTONIC ns of the hook. */
  readonly timeNs: bigint;
  readonly cpu: number;
  readonly tgid: number;
  /** Thread in the record; for fork, exec and exit it must equal `tgid`. */
  readonly tid: number;
  readonly namespaceTgid: number;
  /** Boot-time ns at which the thread group's leader started: with `tgid` a name for ever. */
  readonly leaderStartNs: bigint;
  readonly cgroup: CgroupPlace;
}
