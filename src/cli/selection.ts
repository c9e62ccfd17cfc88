/**
 * Which events `run` writes, how many of each, and when that is enough.
 *
 * @module
 */
import type { Config } from "../config/mod.ts";
import type { AgentEvent } from "../events/mod.ts";
import { EventFilter, type EventFilterOptions, type Verdict } from "../export/mod.ts";

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

/** Flags that are filters, by their key. */
export const FILTER_FLAGS = {
  onlyWorkloads: "workload",
  onlyContainers: "container",
  onlyPods: "pod",
  onlyUnits: "unit",
  onlyNamespaces: "namespace",
} as const satisfies Partial<Record<keyof Config, string>>;

/** All filters of a config; a flag that is given several times wants any of its values. */
export function filtersOf(config: Pick<Config, "filters" | keyof typeof FILTER_FLAGS>): string[] {
  const filters = [...config.filters];
  for (const name of Object.keys(FILTER_FLAGS) as (keyof typeof FILTER_FLAGS)[]) {
    const values = config[name];
    if (values.length > 0) filters.push(`${FILTER_FLAGS[name]}=${values.join(",")}`);
  }
  return filters;
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

  override judge(event: AgentEvent): Verdict {
    // First, and for every event: process trees follow all of them.
    const verdict = super.judge(event);
    return !this.#showExisting && isExisting(event) ? "hidden" : verdict;
  }

  override admit(event: AgentEvent): boolean {
    if (event.type !== "gap") {
      if (this.#eventsLeft === 0) return false;
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
