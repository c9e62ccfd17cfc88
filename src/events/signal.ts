/**
 * Signals and victims of the OOM killer: what records say, and the events they make.
 *
 * @module
 */
import type { ProcessEventBase, ProcessReference } from "./event_base.ts";
import type { FactBase } from "./fact_base.ts";

/** What became of a signal at once. */
export type SignalFate =
  | "delivered"
  /** It waits until the thread lets it in. */
  | "blocked"
  /** The process ignores it. */
  | "ignored"
  /** One like it was waiting already. */
  | "pending_already"
  /** The queue of the receiving user was full. */
  | "queue_full";

/** A signal was sent. The fact is about the process it was sent to, `tid` is the thread. */
export interface ProcessSignaled extends FactBase {
  readonly type: "process_signaled";
  readonly signal: number;
  /** si_code of siginfo: 0 for kill(2), above 0 for the kernel. */
  readonly code: number;
  /** Missing when the kernel sent it of its own. */
  readonly sender?: SignalSenderIds;
  /** It ends the process: not handled, not ignored, not blocked. */
  readonly isFatal: boolean;
  /** Sent to one thread, not to the process. */
  readonly isToThread: boolean;
  readonly fate: SignalFate;
}

/** Names the process that sent a signal. */
export interface SignalSenderIds {
  readonly tgid: number;
  readonly tid: number;
  readonly leaderStartNs: bigint;
  /** By its code the signal comes from a timer, message queue or I/O: maybe it only ran then. */
  readonly isUnsure: boolean;
}

/** Of the memory cgroups of a victim the one with the least left. */
export interface MemoryLimit {
  readonly cgroupId: bigint;
  readonly cgroupLevel: number;
  /** 0 is v2. */
  readonly hierarchy: number;
  readonly limitBytes: bigint;
  readonly usageBytes: bigint;
}

/** The kernel killed a process for want of memory. */
export interface OomKilled extends FactBase {
  readonly type: "oom_killed";
  /** Missing when no cgroup of the process has a limit: the host was short of memory. */
  readonly memory?: MemoryLimit;
}

/** Facts of the signal sensor. */
export type SignalFact = ProcessSignaled | OomKilled;

/** A signal was sent to a process. */
export interface ProcessSignalEvent extends ProcessEventBase {
  readonly type: "process_signal";
  /** The thread it was sent to; the process's first one when it was sent to all. */
  readonly tid: number;
  /** Such as "SIGKILL". */
  readonly signal: string;
  readonly code: number;
  readonly isFatal: boolean;
  readonly isToThread: boolean;
  readonly fate: SignalFate;
  /** Missing when the kernel sent it of its own. */
  readonly sender?: SignalSender;
}

/** Who sent a signal. */
export interface SignalSender extends ProcessReference {
  readonly tid: number;
  readonly isUnsure: boolean;
}

/** The kernel killed a process for want of memory. */
export interface OomKillEvent extends ProcessEventBase {
  readonly type: "oom_kill";
  readonly memory?: MemoryLimit & { readonly path?: string };
}

/** Events of the signal sensor. */
export type SignalEvent = ProcessSignalEvent | OomKillEvent;
