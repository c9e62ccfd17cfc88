/**
 * Where events leave the agent.
 *
 * @module
 */
import type { AgentEvent } from "../events/mod.ts";

/** Takes events. `push()` never throws and never waits: what does not fit is counted. */
export interface EventSink {
  /** Name in metrics and gap events, such as "stdout". */
  readonly name: string;
  /** Takes an event; bounded, a full queue drops it and enters the loss. */
  push(event: AgentEvent): void;
  /** Writes out what is queued; the pipeline calls it when it has no more records at hand. */
  flush(): void;
  /** Writes what is left, within the sink's own time limit, and lets go of its resources. */
  close(): Promise<void>;
}
