/**
 * The clocks of this host.
 *
 * @module
 */
import type { Clock } from "./clock.ts";

/** Clocks of clock_gettime(2). */
export type ClockName = "realtime" | "monotonic" | "boottime";

/**
 * The offset of wall time is left alone while it is off by less: two events a microsecond apart
 * keep their order, and NTP's slewing (at most 500 ppm) is followed in steps of a millisecond.
 */
const OFFSET_TOLERANCE_NS = 1_000_000n;
/** Readings of which the tightest counts: between two of them the thread may have lost its CPU. */
const OFFSET_READINGS = 4;

/** Wall time is a measured offset to CLOCK_MONOTONIC; `refresh()` follows steps and sleep. */
export class SystemClock implements Clock {
  readonly #readNs: (clock: ClockName) => bigint;
  #wallOffsetNs: bigint;

  /** @param readNs clock_gettime(2), ns */
  constructor(readNs: (clock: ClockName) => bigint) {
    this.#readNs = readNs;
    this.#wallOffsetNs = this.#measureOffset();
  }

  monotonicNs(): bigint {
    return this.#readNs("monotonic");
  }

  boottimeNs(): bigint {
    return this.#readNs("boottime");
  }

  wallNs(monotonicNs: bigint): bigint {
    return monotonicNs + this.#wallOffsetNs;
  }

  /**
   * Measures the offset again; to be called each second. Somebody may have set the wall clock, and
   * CLOCK_MONOTONIC stands still while the machine sleeps.
   *
   * @returns how far the offset has moved, ns; 0n when it was left alone.
   */
  refresh(): bigint {
    const offsetNs = this.#measureOffset();
    const movedNs = offsetNs - this.#wallOffsetNs;
    if (movedNs < OFFSET_TOLERANCE_NS && movedNs > -OFFSET_TOLERANCE_NS) return 0n;
    this.#wallOffsetNs = offsetNs;
    return movedNs;
  }

  #measureOffset(): bigint {
    let best = 0n;
    let bestGapNs: bigint | undefined;
    for (let reading = 0; reading < OFFSET_READINGS; reading++) {
      const before = this.#readNs("monotonic");
      const wall = this.#readNs("realtime");
      const gapNs = this.#readNs("monotonic") - before;
      if (bestGapNs !== undefined && gapNs >= bestGapNs) continue;
      bestGapNs = gapNs;
      best = wall - before - gapNs / 2n;
    }
    return best;
  }
}
