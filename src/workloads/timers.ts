/**
 * Time of this room, handed in so that tests own it.
 *
 * @module
 */

/** A timer that has been set. */
export interface TimerHandle {
  cancel(): void;
}

/** Clock and timers. */
export interface Timers {
  /** Monotonic ms with an arbitrary start. */
  nowMs(): number;
  /** Calls `action` once, after that many ms. */
  after(delayMs: number, action: () => void): TimerHandle;
}

/** The system's. Its timers do not keep the process alive. */
export const systemTimers: Timers = {
  nowMs: () => performance.now(),
  after(delayMs, action) {
    const id = setTimeout(action, delayMs);
    Deno.unrefTimer(id);
    return { cancel: () => clearTimeout(id) };
  },
};
