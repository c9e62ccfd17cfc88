/**
 * Kinds of events, told apart for the compiler.
 *
 * @module
 */
import type {
  AgentEvent,
  AmendEvent,
  CgroupEvent,
  GapEvent,
  PolicyEvent,
  ProcessEvent,
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
      return true;
    default:
      event satisfies CgroupEvent | AmendEvent | GapEvent;
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
