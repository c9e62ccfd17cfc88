/**
 * When the kernel shall wake the worker of a ring: at each record, or by watermark.
 *
 * A wake-up at each record costs the CPU that writes an interrupt to itself and a thread switch
 * (20 us and more in a virtual machine), and gives the record after 0.05 ms. By watermark the
 * worker looks at the ring each 5 ms, whatever the rate.
 *
 * @module
 */

/** Shortest time over which a rate is taken. */
const WINDOW_MS = 20;

/**
 * Records per second above which the watermark is used: there the wake-ups would be five times as
 * many as looking each 5 ms.
 */
const WATERMARK_ABOVE = 1000;

/** Records per second below which each record wakes again, when it stays so for CALM_WINDOWS. */
const EACH_BELOW = 500;
const CALM_WINDOWS = 10;

/** Decides for one ring. Times come from the caller, ms. */
export class WakeupPolicy {
  /** Whether the watermark is to be used. */
  watermark = false;
  #windowStartMs: number;
  #records = 0;
  #calmWindows = 0;

  constructor(nowMs: number) {
    this.#windowStartMs = nowMs;
  }

  /**
   * Takes in how many records came since the last call.
   *
   * @returns whether `watermark` changed.
   */
  note(records: number, nowMs: number): boolean {
    this.#records += records;
    const elapsedMs = nowMs - this.#windowStartMs;
    if (elapsedMs < WINDOW_MS) return false;
    const perSecond = this.#records * 1000 / elapsedMs;
    this.#records = 0;
    this.#windowStartMs = nowMs;
    return this.watermark ? this.#leave(perSecond) : this.#enter(perSecond);
  }

  #enter(perSecond: number): boolean {
    this.watermark = perSecond > WATERMARK_ABOVE;
    this.#calmWindows = 0;
    return this.watermark;
  }

  #leave(perSecond: number): boolean {
    this.#calmWindows = perSecond < EACH_BELOW ? this.#calmWindows + 1 : 0;
    this.watermark = this.#calmWindows < CALM_WINDOWS;
    return !this.watermark;
  }
}
