/**
 * How often workers may be restarted before it is pointless.
 *
 * @module
 */

/** Restarts allowed in the span: a bug that kills a worker at once must not loop. */
const RESTARTS_MAX = 5;
const SPAN_MS = 60_000;

/** Counts restarts of one pool. Times come from the caller, ms. */
export class RestartBudget {
  #times: number[] = [];

  /** Enters a restart. @returns false when there were too many in the last minute. */
  spend(nowMs: number): boolean {
    this.#times = this.#times.filter((time) => nowMs - time < SPAN_MS);
    if (this.#times.length >= RESTARTS_MAX) return false;
    this.#times.push(nowMs);
    return true;
  }
}
