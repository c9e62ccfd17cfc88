/**
 * What the control socket and the metrics ask of the network.
 *
 * @module
 */
import type { TrafficCount, Workload } from "../events/mod.ts";

/** What a row of traffic stands for. Sums over all rows never go back. */
export type TrafficOwner =
  | "workload"
  /** Workloads that are gone, added up. */
  | "ended"
  /** Packets and programs of which it is not known whose they were. */
  | "unknown"
  /** Workloads that found no room of their own. */
  | "other";

/** What one workload has done since the agent runs. Every number only grows, but `connections`. */
export interface WorkloadTraffic {
  readonly owner: TrafficOwner;
  /** The same for as long as the workload is there: "service:/system.slice/ssh.service". */
  readonly key: string;
  /** As of now; missing in sums. */
  readonly workload?: Workload;
  /** All twelve classes in the order of `TRAFFIC_CLASSES`. */
  readonly counts: readonly TrafficCount[];
  /** Programs started. */
  readonly execs: number;
  /** Sockets with a peer that the kernel's table has now; missing unless that was asked for. */
  readonly connections?: number;
}

/** Time that the kernel spent in the agent's own programs. */
export interface ProgramTime {
  readonly runTimeNs: bigint;
  readonly runs: bigint;
}

/** All workloads at one time: the rate between two readings is a difference over a difference. */
export interface TrafficReading {
  /** CLOCK_MONOTONIC ns. */
  readonly monotonicNs: bigint;
  /** Workloads first, in no order; then `ended`, `unknown` and `other`, always. */
  readonly workloads: readonly WorkloadTraffic[];
  /** All programs of the agent; undefined unless the kernel measures them (--bpf-stats). */
  readonly programs?: ProgramTime;
}

/** How well traffic is told apart by workload. */
export interface NetworkState {
  readonly state: "off" | "ok" | "degraded";
  /** Why it is not "ok": "the kernel named the wrong cgroup for 3 sockets". */
  readonly reason?: string;
  /** What can be done about it. */
  readonly hint?: string;
}

/** The network of an agent, for those who ask. */
export interface NetworkService {
  /** Reads the kernel's table: some microseconds per 10 workloads. */
  readTraffic(): TrafficReading;
  state(): NetworkState;
  /** What the kernel's programs count about themselves, by name: "sockets_full", "flows_other". */
  counts(): ReadonlyMap<string, bigint>;
}
