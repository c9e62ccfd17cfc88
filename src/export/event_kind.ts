/**
 * Kinds of events, told apart for the compiler.
 *
 * @module
 */
import type {
  AgentEvent,
  AmendEvent,
  CgroupEvent,
  FlowEvent,
  GapEvent,
  NetworkEvent,
  PolicyEvent,
  ProcessEvent,
  SignalEvent,
  SocketEvent,
} from "../events/mod.ts";

/** Whether an event is about a process. */
export function isProcessEvent(event: AgentEvent): event is ProcessEvent {
  switch (event.type) {
    case "process_exec":
    case "process_fork":
    case "process_exit":
    case "process_kprobe":
    case "process_tracepoint":
    case "process_lsm":
    case "process_connect":
    case "process_accept":
    case "process_listen":
    case "process_close":
    case "process_dns":
    case "process_signal":
    case "oom_kill":
      return true;
    default:
      event satisfies FlowEvent | CgroupEvent | AmendEvent | GapEvent;
      return false;
  }
}

/** Whether an event tells what a policy saw. */
export function isPolicyEvent(event: AgentEvent): event is PolicyEvent {
  switch (event.type) {
    case "process_kprobe":
    case "process_tracepoint":
    case "process_lsm":
      return true;
    default:
      return false;
  }
}

/** Whether an event tells of a signal, or of a victim of the OOM killer. */
export function isSignalEvent(event: AgentEvent): event is SignalEvent {
  return event.type === "process_signal" || event.type === "oom_kill";
}

/** Whether an event tells of one socket's life. */
export function isSocketEvent(event: AgentEvent): event is SocketEvent {
  switch (event.type) {
    case "process_connect":
    case "process_accept":
    case "process_listen":
    case "process_close":
      return true;
    default:
      return false;
  }
}

/** Whether an event is about the network. */
export function isNetworkEvent(event: AgentEvent): event is NetworkEvent {
  return event.type === "process_dns" || event.type === "flow" || isSocketEvent(event);
}
