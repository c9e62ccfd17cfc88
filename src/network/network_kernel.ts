/**
 * What this room asks of the kernel's tables; `src/loader/` has them, tests have fakes.
 *
 * @module
 */
import type { SocketCounts, SocketTuple, TrafficCount } from "../events/mod.ts";

/** Traffic of one workload since it is counted. */
export interface TrafficRow {
  /** The cgroup that names the workload; 0: not known whose, `OTHER_ROW`: there was no room. */
  readonly trackingId: bigint;
  /** All twelve classes, in a fixed order. */
  readonly counts: readonly TrafficCount[];
  /** Connections of TCP that began since the programs run and have not ended. */
  readonly openCount: number;
}

/** `trackingId` of rows that hold what found no room of its own. */
export const OTHER_ROW = 0xffff_ffff_ffff_ffffn;

/** Traffic of one process with one peer since the last drain. */
export interface FlowRow {
  readonly trackingId: bigint;
  /** 0 when the process is not known. */
  readonly tgid: number;
  /** With `tgid` a name for ever, see `FactBase`. */
  readonly leaderStartNs: bigint;
  /** Missing in rows `other`. */
  readonly tuple?: SocketTuple;
  readonly isOther: boolean;
  readonly isOutgoing?: boolean;
  /** CLOCK_MONOTONIC ns. */
  readonly firstNs: bigint;
  readonly lastNs: bigint;
  readonly isStarted: boolean;
  readonly isEnded: boolean;
  readonly connections: number;
  readonly counts: SocketCounts;
}

/** How sockets are told apart by workload on this kernel. */
export interface AttributionState {
  /** Sockets of which it was seen that the kernel names their cgroup rightly. */
  readonly confirmed: number;
  /** Sockets of which the kernel named another cgroup than the one they were made in. */
  readonly contradicted: number;
}

/** The kernel's side. All reads are one pass over a map, some microseconds per 10 rows. */
export interface NetworkKernel {
  /** Rows with traffic. */
  readTraffic(): TrafficRow[];
  /** A workload is at work: from now on its packets may cost less. */
  giveSlot(trackingId: bigint): void;
  /** Takes a row out; what it held last, or undefined when there is none. */
  takeTraffic(trackingId: bigint): TrafficRow | undefined;
  /**
   * Ends the interval: what was gathered since the last call. Programs write into the other map
   * meanwhile, and none is still writing into what is read.
   */
  drainFlows(): Promise<FlowRow[]>;
  /** What the programs count about themselves, by name: "sockets_full", "flows_other", ... */
  counts(): ReadonlyMap<string, bigint>;
  readonly attribution: AttributionState;
}
