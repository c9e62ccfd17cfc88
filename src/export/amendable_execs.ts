/**
 * Which execs that may be amended have passed a filter.
 *
 * @module
 */
import type { Process, Workload, WorkloadReason } from "../events/mod.ts";
import type { Counter } from "../telemetry/mod.ts";

/** As many as the pipeline amends at most. */
const EXECS_MAX = 16_384;

/** The reasons that an amendment may take away, or put in the place of another. */
const AMENDABLE: ReadonlySet<WorkloadReason> = new Set([
  "lookup_running",
  "lookup_queue_full",
  "no_runtime",
  "runtime_failed",
  "unknown_to_runtime",
]);

/** The last execs whose process fitted, with whether the event was shown. Oldest first. */
export class AmendableExecs {
  readonly #shown = new Map<string, boolean>();
  readonly #forgotten: Counter;

  /** `forgotten` counts those that were given up because there were too many. */
  constructor(forgotten: Counter) {
    this.#forgotten = forgotten;
  }

  /** Notes an exec, or that it was shown after all. */
  note({ execId, workload }: Process, isShown: boolean): void {
    if (!mayBeAmended(workload) && !this.#shown.has(execId)) return;
    this.#shown.set(execId, isShown);
    if (this.#shown.size <= EXECS_MAX) return;
    const oldest = this.#shown.keys().next();
    if (oldest.done) return;
    this.#shown.delete(oldest.value);
    this.#forgotten.value++;
  }

  /** Whether the exec was shown; undefined when it did not fit. Known until all is learned. */
  take(execId: string, learned: Workload): boolean | undefined {
    const isShown = this.#shown.get(execId);
    if (isShown !== undefined && !mayBeAmended(learned)) this.#shown.delete(execId);
    return isShown;
  }
}

function mayBeAmended({ reason }: Workload): boolean {
  return reason !== undefined && AMENDABLE.has(reason);
}
