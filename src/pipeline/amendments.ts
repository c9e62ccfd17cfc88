/**
 * Events whose workload was not known for good when they were delivered, so that what is learned
 * later can be told with their exec_id.
 *
 * @module
 */
import type { CgroupPlace, Process, Workload } from "../events/mod.ts";
import type { Counter, Counters } from "../telemetry/mod.ts";

/** Events of one workload: a container that runs a thousand programs before its name is known. */
const WORKLOAD_EVENTS_MAX = 1024;
/** Events of all workloads: some 100 bytes each. */
const EVENTS_MAX = 16_384;

/** A delivered event. */
export interface AwaitedEvent {
  readonly execId: string;
  readonly cgroup: CgroupPlace;
  /** As the event, or the last amendment of it, told it. */
  told: Workload;
}

/** Delivered events by the cgroup that names their workload. */
export class Amendments {
  readonly #byTracking = new Map<bigint, AwaitedEvent[]>();
  readonly #dropped: Counter;
  readonly #made: Counter;
  #size = 0;

  constructor(counters: Counters) {
    this.#dropped = counters.counter(
      "shrike_pipeline_amendments_dropped_total",
      "Events that cannot be amended because too many waited for the name of their workload",
    );
    this.#made = counters.counter(
      "shrike_pipeline_amendments_total",
      "Amendments of the workload of events that had been delivered",
    );
    counters.gauge(
      "shrike_pipeline_amendments_awaited",
      "Delivered events whose workload may still be amended",
      {},
      () => this.#size,
    );
  }

  /** Remembers the event of an image if its workload may become better known. */
  note({ execId, cgroup, workload }: Process): void {
    if (!mayBecomeKnown(workload)) return;
    const events = this.#byTracking.get(cgroup.trackingId) ?? [];
    if (events.length >= WORKLOAD_EVENTS_MAX || this.#size >= EVENTS_MAX) {
      this.#dropped.value += 1;
      return;
    }
    events.push({ execId, cgroup, told: workload });
    this.#byTracking.set(cgroup.trackingId, events);
    this.#size += 1;
  }

  /**
   * The events that what was learned of their workload amends, oldest first: none, when all that is
   * new is why a runtime has not told more. They stay as long as more may be learned, such as from
   * a runtime that comes up late.
   */
  take(trackingId: bigint, workload: Workload): readonly AwaitedEvent[] {
    const awaited = this.#byTracking.get(trackingId) ?? [];
    const isKnown = !mayBecomeKnown(workload);
    const events = awaited.filter(({ told }) => isKnown || !isSameWorkload(told, workload));
    for (const event of events) event.told = workload;
    this.#made.value += events.length;
    if (isKnown) this.forget(trackingId);
    return events;
  }

  /** Gives up: the cgroup is gone for good. */
  forget(trackingId: bigint): void {
    this.#size -= this.#byTracking.get(trackingId)?.length ?? 0;
    this.#byTracking.delete(trackingId);
  }
}

/** Whether neither the path nor a runtime says anything else than before. */
function isSameWorkload(a: Workload, b: Workload): boolean {
  return a.kind === b.kind && a.id === b.id && a.name === b.name;
}

function mayBecomeKnown({ reason }: Workload): boolean {
  switch (reason) {
    case "lookup_running":
    case "lookup_queue_full":
    case "no_runtime":
    case "runtime_failed":
    case "unknown_to_runtime":
      return true;
    default:
      return false;
  }
}
