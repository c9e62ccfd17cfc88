/**
 * Kinds of events, told apart for the compiler.
 *
 * @module
 */
import type { AgentEvent, AmendEvent, CgroupEvent, GapEvent, ProcessEvent } from "../events/mod.ts";

/** Whether an event is about a process. */
export function isProcessEvent(event: AgentEvent): event is ProcessEvent {
  switch (event.type) {
    case "process_exec":
    case "process_fork":
    case "process_exit":
      return true;
    default:
      event satisfies CgroupEvent | AmendEvent | GapEvent;
      return false;
  }
}
