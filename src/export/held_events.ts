/**
 * A filter that asks for a name, and events of a container whose name is not known yet.
 *
 * @module
 */
import type { AgentEvent, CgroupPlace, Process, ProcessEvent, Workload } from "../events/mod.ts";
import type { Clock, Counter, Counters, Labels } from "../telemetry/mod.ts";
import { isProcessEvent } from "./event_kind.ts";
import type { EventFilter } from "./event_filter.ts";
import { areNamesComing } from "./workload_conditions.ts";

/** Events held at most: what a host starts while a runtime answers. */
const EVENTS_MAX = 1024;
/** Characters of text in them; one exec may bring 60 KiB. */
const TEXT_LENGTH_MAX = 4 * 1024 * 1024;
/** Runtimes answer within milliseconds, or within a second when they are busy. */
const HOLD_NS = 2_000_000_000n;

export interface HeldEventsOptions {
  readonly filter: EventFilter;
  readonly clock: Clock;
  readonly counters: Counters;
  /** Labels of the sink's counters. */
  readonly labels: Labels;
  readonly show: (event: AgentEvent) => void;
  /** Told of each event that the filter leaves out. */
  readonly hide: () => void;
}

interface HeldEvent {
  readonly event: ProcessEvent;
  readonly trackingId: bigint;
  readonly untilNs: bigint;
  readonly textLength: number;
}

/**
 * Takes events to the filter and holds those that it cannot decide, until an amendment or a later
 * event names their workload. Then they are shown with that name. Events of one workload stay in
 * order; those of others go ahead. Time is looked at in `expire()` only.
 */
export class HeldEvents {
  readonly #options: HeldEventsOptions;
  /** Oldest first. */
  readonly #held = new Set<HeldEvent>();
  /** How many by the cgroup that names the workload. */
  readonly #counts = new Map<bigint, number>();
  readonly #undecided: Counter;
  #textLength = 0;

  constructor(options: HeldEventsOptions) {
    this.#options = options;
    const { counters, labels } = options;
    this.#undecided = counters.counter(
      "shrike_export_filter_undecided_total",
      "Events filtered by what was known because the name of their workload did not come in time",
      labels,
    );
    counters.gauge(
      "shrike_export_filter_held",
      "Events that wait for the name of their workload",
      labels,
      () => this.#held.size,
    );
  }

  /** Shows, hides or holds the event. */
  push(event: AgentEvent): void {
    if (this.#held.size > 0) this.#learnFrom(event);
    const verdict = this.#options.filter.judge(event);
    if (verdict === "undecided" && isProcessEvent(event)) this.#hold(event);
    else this.#conclude(event, verdict === "shown");
  }

  /** Decides events that have waited too long, by what is known. */
  expire(): void {
    if (this.#held.size === 0) return;
    const nowNs = this.#options.clock.monotonicNs();
    for (const held of this.#held) {
      if (held.untilNs > nowNs) return;
      this.#giveUpOn(held);
    }
  }

  /** Decides all of them by what is known. */
  giveUp(): void {
    for (const held of this.#held) this.#giveUpOn(held);
  }

  /** An amendment tells whose its cgroup is, and so does a process that is there. */
  #learnFrom(event: AgentEvent): void {
    if (event.type === "amend") this.#settle(trackingId(event.cgroup), event.workload);
    else if (isProcessEvent(event)) {
      const { cgroup, workload } = event.subject.process;
      if (!areNamesComing(workload)) this.#settle(trackingId(cgroup), workload);
    }
  }

  #settle(id: bigint, workload: Workload): void {
    if (!this.#counts.has(id)) return;
    for (const held of this.#held) {
      // Who only visits the cgroup has another workload.
      const isOther = held.event.subject.process.workload.id !== workload.id;
      if (held.trackingId !== id || isOther) continue;
      this.#release(held);
      const event = withWorkload(held.event, workload);
      this.#conclude(event, this.#options.filter.decide(event));
    }
  }

  #hold(event: ProcessEvent): void {
    const { process } = event.subject;
    const textLength = textLengthOf(process);
    for (const held of this.#held) {
      const isFull = this.#held.size >= EVENTS_MAX ||
        this.#textLength + textLength > TEXT_LENGTH_MAX;
      if (!isFull) break;
      this.#giveUpOn(held);
    }
    const id = trackingId(process.cgroup);
    const untilNs = this.#options.clock.monotonicNs() + HOLD_NS;
    this.#held.add({ event, trackingId: id, untilNs, textLength });
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    this.#textLength += textLength;
  }

  #giveUpOn(held: HeldEvent): void {
    this.#release(held);
    this.#undecided.value++;
    this.#conclude(held.event, this.#options.filter.decide(held.event));
  }

  #release(held: HeldEvent): void {
    this.#held.delete(held);
    this.#textLength -= held.textLength;
    const left = (this.#counts.get(held.trackingId) ?? 0) - 1;
    if (left > 0) this.#counts.set(held.trackingId, left);
    else this.#counts.delete(held.trackingId);
  }

  #conclude(event: AgentEvent, isShown: boolean): void {
    if (isShown && this.#options.filter.admit(event)) this.#options.show(event);
    else this.#options.hide();
  }
}

/** A cgroup that nothing above it names stands for itself. */
function trackingId({ id, trackingId }: CgroupPlace): bigint {
  return trackingId === 0n ? id : trackingId;
}

function withWorkload(event: ProcessEvent, workload: Workload): ProcessEvent {
  const { process, references } = event.subject;
  return { ...event, subject: { process: { ...process, workload }, references } };
}

function textLengthOf({ argv, environment = [] }: Process): number {
  let length = 0;
  for (const { text } of argv) length += text.length;
  for (const { text } of environment) length += text.length;
  return length;
}
