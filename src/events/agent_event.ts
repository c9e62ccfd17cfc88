/**
 * Events: what is worth telling people and machines, with its context. Sinks turn them into their
 * export form.
 *
 * @module
 */
import type { EventMark, ProcessEventBase, ProcessReference } from "./event_base.ts";
import type { FlowEvent, NetworkProcessEvent } from "./network.ts";
import type { PolicyEvent } from "./policy.ts";
import type { CgroupPlace } from "./process.ts";
import type { SignalEvent } from "./signal.ts";
import type { Workload } from "./workload.ts";

/** A new image runs, or was found running at start (flag procFS). */
export interface ProcessExecEvent extends ProcessEventBase {
  readonly type: "process_exec";
}

/** A thread group was made; on request only. */
export interface ProcessForkEvent extends ProcessEventBase {
  readonly type: "process_fork";
}

/** A thread group ended. */
export interface ProcessExitEvent extends ProcessEventBase {
  readonly type: "process_exit";
  /** Exit status 0..255; 0 when ended by a signal. */
  readonly status: number;
  /** Name such as SIGKILL; "" when it exited by itself. */
  readonly signal: string;
  readonly coreDumped: boolean;
}

/** Where records or events were lost. */
export type GapCause =
  /** The kernel's ring of that CPU was full. */
  | "perf_ring_full"
  /** The same, while the worker could not empty it because the main thread was behind. */
  | "shared_ring_full"
  /** That CPU had no reader: it just came online or its worker was restarting. */
  | "no_ring"
  /** The kernel could not write for another reason. */
  | "kernel_error"
  /** A BPF program was skipped because it was already running on that CPU. */
  | "program_skipped"
  /** Somebody else detached a program of the agent, or put another in its place. */
  | "hook_detached"
  | "hook_replaced"
  /** Events dropped before a sink that could not keep up. */
  | "sink_queue_full"
  /** Records that could not be read. */
  | "malformed_record"
  /** No agent ran: it was restarted, upgraded or killed. The count is of forks on the host. */
  | "agent_restart";

/** A hole in the stream. Late events are marked, not gaps: nothing is missing. */
export interface GapEvent {
  readonly type: "gap";
  readonly timeNs: bigint;
  readonly cause: GapCause;
  /** CPU, when the loss belongs to one. */
  readonly cpu?: number;
  /** Record or event kind, when known, such as "process_exec". */
  readonly kind?: string;
  /** Sink, for sink_queue_full. */
  readonly sink?: string;
  readonly count: number;
  /** Span of the losses, ns since the epoch. */
  readonly firstTimeNs: bigint;
  readonly lastTimeNs: bigint;
}

/** What happened to a cgroup. */
export type CgroupEventType =
  | "cgroup_created"
  | "cgroup_removed"
  | "cgroup_released"
  | "cgroup_renamed"
  | "cgroup_attached";

/** A cgroup came, went, got another name or a task; on request only. */
export interface CgroupEvent {
  readonly type: CgroupEventType;
  /** ns since the epoch. */
  readonly timeNs: bigint;
  readonly cpu: number;
  /** The cgroup itself. */
  readonly cgroup: CgroupPlace;
  /** 0 for the root. */
  readonly parentId: bigint;
  /** The process that was moved, else the one that acted; missing when it is not cached. */
  readonly subject?: ProcessReference;
  readonly marks: readonly EventMark[];
}

/**
 * The workload of an event that was delivered earlier is known better now. Told once for each
 * process_exec whose workload was `pending`, or whose `reason` said that a runtime could not tell.
 */
export interface AmendEvent {
  readonly type: "amend";
  /** When it was learned, ns since the epoch. */
  readonly timeNs: bigint;
  /** exec_id of the earlier event. */
  readonly execId: string;
  /** Where that process was. */
  readonly cgroup: CgroupPlace;
  readonly workload: Workload;
}

/** Events about the life of a process. */
export type LifeEvent = ProcessExecEvent | ProcessForkEvent | ProcessExitEvent;
/** Events about a process. */
export type ProcessEvent = LifeEvent | PolicyEvent | NetworkProcessEvent | SignalEvent;
/** Everything a sink is given. */
export type AgentEvent = ProcessEvent | CgroupEvent | FlowEvent | AmendEvent | GapEvent;
