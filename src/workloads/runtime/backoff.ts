/**
 * Pauses after failures, doubling up to a limit.
 *
 * @module
 */

/** First and longest pause. */
export interface BackoffLimits {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** Pause of one endpoint or question. */
export class Backoff {
  readonly #limits: BackoffLimits;
  #failures = 0;

  constructor(limits: BackoffLimits) {
    this.#limits = limits;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Notes a failure and gives the pause before the next try. */
  fail(): number {
    // 2 ** 30 is above any limit.
    const factor = 2 ** Math.min(this.#failures, 30);
    this.#failures += 1;
    return Math.min(this.#limits.firstMs * factor, this.#limits.longestMs);
  }

  /** Notes a success. */
  reset(): void {
    this.#failures = 0;
  }
}
