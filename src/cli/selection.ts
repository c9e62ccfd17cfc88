/**
 * Which events `run` writes, how many of each, and when that is enough.
 *
 * @module
 */
import type { AgentEvent } from "../events/mod.ts";
import { EventFilter, type EventFilterOptions } from "../export/mod.ts";

/** What is selected beyond the filters. */
export interface SelectionOptions extends EventFilterOptions {
  /** Filters as typed; all must match. */
  readonly filters: readonly string[];
  /** Only this process and its descendants. */
  readonly pid?: number | undefined;
  /** Leave out processes that ran before the agent. */
  readonly showExisting: boolean;
  /** Events, gaps not among them, after which `enough` resolves. */
  readonly maxEvents?: number | undefined;
}

/** A filter that counts what it lets through and closes after a number of events. */
export class Selection extends EventFilter {
  /** Resolves when `maxEvents` events were let through; never without that. */
  readonly enough: Promise<void>;
  readonly #showExisting: boolean;
  readonly #counts = new Map<AgentEvent["type"], number>();
  readonly #resolveEnough: () => void;
  #eventsLeft: number;

  /** @throws {FilterError} */
  constructor(options: SelectionOptions) {
    const { filters, pid, showExisting, maxEvents } = options;
    super(pid === undefined ? filters : [...filters, `tree=${pid}`], options);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.enough = promise;
    this.#resolveEnough = resolve;
    this.#showExisting = showExisting;
    this.#eventsLeft = maxEvents ?? Infinity;
  }

  /** Events let through so far, by type. */
  get counts(): ReadonlyMap<AgentEvent["type"], number> {
    return this.#counts;
  }

  override matches(event: AgentEvent): boolean {
    // First, and for every event: process trees follow all of them.
    if (!super.matches(event)) return false;
    if (event.type !== "gap") {
      if (this.#eventsLeft === 0 || (!this.#showExisting && isExisting(event))) return false;
      if (--this.#eventsLeft === 0) this.#resolveEnough();
    }
    this.#counts.set(event.type, (this.#counts.get(event.type) ?? 0) + 1);
    return true;
  }
}

/** The start-up scan tells processes as execs with the flag procFS; later execs have it not. */
function isExisting(event: AgentEvent): boolean {
  return event.type === "process_exec" && /\bprocFS\b/.test(event.subject.process.flags);
}
