/**
 * Processes that have ended a short time ago: flows are told once per interval, and connections end
 * after their process; by then it may be out of the cache.
 *
 * @module
 */
import type { ProcessReference } from "../events/mod.ts";
import type { Counter, Counters } from "../telemetry/mod.ts";

/** A process with its parent, as events have them. */
export interface ProcessContext {
  readonly subject: ProcessReference;
  readonly parent?: ProcessReference;
}

/** Per interval; about 1 KB each, most of which the sinks' last events share. */
const PROCESSES_MAX = 8_192;

/** Those of the interval under way and of the one before: sockets outlive their process. */
export class RecentProcesses {
  #current = new Map<string, ProcessContext>();
  #previous = new Map<string, ProcessContext>();
  readonly #dropped: Counter;

  constructor(counters: Counters) {
    this.#dropped = counters.counter(
      "shrike_network_ended_processes_dropped_total",
      "Processes that ended and cannot be named in flows and closes, as too many did at a time",
    );
    counters.gauge(
      "shrike_network_ended_processes",
      "Processes that have ended and are kept for flows and closes",
      {},
      () => this.#current.size + this.#previous.size,
    );
  }

  /** A process has ended. */
  note(tgid: number, leaderStartNs: bigint, context: ProcessContext): void {
    if (this.#current.size >= PROCESSES_MAX) this.#dropped.value += 1;
    else this.#current.set(keyOf(tgid, leaderStartNs), context);
  }

  find(tgid: number, leaderStartNs: bigint): ProcessContext | undefined {
    const key = keyOf(tgid, leaderStartNs);
    return this.#current.get(key) ?? this.#previous.get(key);
  }

  /** An interval has ended, and its flows are told. */
  turn(): void {
    this.#previous = this.#current;
    this.#current = new Map();
  }
}

function keyOf(tgid: number, leaderStartNs: bigint): string {
  return `${tgid} ${leaderStartNs}`;
}
