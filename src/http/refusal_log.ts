/**
 * Clients that are turned away, in the log: the first at once, then a sum at most once a minute.
 *
 * @module
 */
import type { Log } from "../telemetry/mod.ts";
import type { Refusal } from "./http_server.ts";

const INTERVAL_MS = 60_000;

const WORDS: Readonly<Record<Refusal, string>> = {
  malformed: "did not send HTTP",
  slow: "took too long",
  refused: "found no room",
  displaced: "had to give way",
  failed: "could not be accepted",
};

/** Counts between lines. */
export class RefusalLog {
  readonly #log: Log;
  readonly #place: string;
  readonly #nowMs: () => number;
  readonly #counts = new Map<Refusal, number>();
  #loggedMs = -Infinity;

  constructor(log: Log, place: string, nowMs = () => performance.now()) {
    this.#log = log;
    this.#place = place;
    this.#nowMs = nowMs;
  }

  add(refusal: Refusal): void {
    this.#counts.set(refusal, (this.#counts.get(refusal) ?? 0) + 1);
    const nowMs = this.#nowMs();
    if (nowMs - this.#loggedMs < INTERVAL_MS) return;
    this.#loggedMs = nowMs;
    const sums = [...this.#counts].map(([which, count]) => `${count} ${WORDS[which]}`).join(", ");
    this.#counts.clear();
    this.#log.warn("Turned clients of the {place} away: {sums}", {
      ...{ place: this.#place, sums },
      hint: "find out who they are; such lines come at most once a minute",
    });
  }
}
