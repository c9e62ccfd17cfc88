/**
 * Where the pipeline hands events to. Sinks of `src/export/` have this shape; the pipeline does not
 * know them.
 *
 * @module
 */
import type { AgentEvent } from "../events/mod.ts";

/**
 * Takes events; bounded on its own. A throw is counted and the event is lost for this outlet only.
 */
export interface PipelineOutlet {
  /** Name in metrics, such as "stdout". */
  readonly name: string;
  push(event: AgentEvent): void;
  /** Called when the pipeline has no more records at hand. */
  flush(): void;
}
