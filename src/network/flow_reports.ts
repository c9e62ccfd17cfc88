/**
 * Flows, told once per interval: the kernel's table is swapped, and its rows become events.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { FlowEvent } from "../events/mod.ts";
import type { Counter, Counters, Log } from "../telemetry/mod.ts";
import { flowEvent, type FlowEventsParts, type FlowInterval } from "./flow_events.ts";
import type { FlowRow, NetworkKernel } from "./network_kernel.ts";

/** Timers, as far as reports need them. */
export interface FlowTimers {
  after(delayMs: number, action: () => void): { cancel(): void };
}

/** What reports are made with. */
export interface FlowReportsParts extends FlowEventsParts {
  readonly kernel: Pick<NetworkKernel, "drainFlows">;
  readonly intervalMs: number;
  readonly counters: Counters;
  readonly log: Log;
  /** Learns what rows are told with: it comes between reading and telling. */
  readonly refresh: () => Promise<void>;
  /** Hands events on, in their order. */
  readonly tell: (events: readonly FlowEvent[]) => void;
  /** All rows of an interval are told. */
  readonly onTold: () => void;
  /** The system's, unless a test has others. */
  readonly timers?: FlowTimers;
}

/**
 * Between reading rows and telling them: records of the processes in them may still be on their
 * way, see the bounds of `merge_by_time.ts`.
 */
const SETTLE_MS = 250;
/** Events that are handed over in one go; the sinks write between two. */
const BURST_MAX = 512;
/** The next report is not due before that, however long one takes. */
const PAUSE_MIN_MS = 100;

const NS_PER_MS = 1_000_000n;

const SYSTEM_TIMERS: FlowTimers = {
  after: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Reports of an agent that runs. */
export class FlowReports {
  readonly #parts: FlowReportsParts;
  readonly #timers: FlowTimers;
  readonly #failures: Counter;
  readonly #folded: Counter;
  #startNs: bigint;
  #timer: { cancel(): void } | undefined;
  #underWay: Promise<void> = Promise.resolve();
  #isEnded = false;

  constructor(parts: FlowReportsParts) {
    this.#parts = parts;
    this.#timers = parts.timers ?? SYSTEM_TIMERS;
    this.#startNs = parts.clock.monotonicNs();
    const { counters } = parts;
    this.#failures = counters.counter(
      "shrike_network_flow_reads_failed_total",
      "Intervals whose flows could not be read; they are told with the next",
    );
    this.#folded = counters.counter(
      "shrike_network_flows_folded_total",
      "Rows of flows that hold what found no room of its own",
    );
  }

  /** Begins the first interval. */
  start(): void {
    this.#startNs = this.#parts.clock.monotonicNs();
    this.#arm(this.#parts.intervalMs);
  }

  /** Tells what has been gathered; to be called when nothing is gathered any more. */
  async end(): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#timer?.cancel();
    await this.#underWay;
    await this.#report(0);
  }

  #arm(delayMs: number): void {
    this.#timer = this.#timers.after(delayMs, () => {
      this.#underWay = this.#turn();
    });
  }

  async #turn(): Promise<void> {
    const { clock, intervalMs } = this.#parts;
    const fromNs = clock.monotonicNs();
    await this.#report(SETTLE_MS);
    const tookMs = Number((clock.monotonicNs() - fromNs) / NS_PER_MS);
    if (!this.#isEnded) this.#arm(Math.max(PAUSE_MIN_MS, intervalMs - tookMs));
  }

  async #report(settleMs: number): Promise<void> {
    const { kernel, clock, refresh, onTold, log } = this.#parts;
    let rows: readonly FlowRow[];
    try {
      rows = await kernel.drainFlows();
    } catch (error) {
      if (this.#failures.value === 0) log.error("Cannot read flows: {error}", { error });
      this.#failures.value += 1;
      return;
    }
    const interval = { startNs: this.#startNs, endNs: clock.monotonicNs() };
    this.#startNs = interval.endNs;
    await refresh();
    if (settleMs > 0) await this.#wait(settleMs);
    for (let at = 0; at < rows.length; at += BURST_MAX) {
      this.#tell(rows.slice(at, at + BURST_MAX), interval);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    onTold();
  }

  #tell(rows: readonly FlowRow[], interval: FlowInterval): void {
    for (const { isOther } of rows) if (isOther) this.#folded.value += 1;
    this.#parts.tell(rows.map((row) => flowEvent(row, interval, this.#parts)));
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#timers.after(delayMs, resolve));
  }
}
