/**
 * Wakes the main thread when any worker has published.
 *
 * No wake-up is lost: the waiter raises WAITING and then looks at the rings; a worker publishes and
 * then looks at WAITING. Atomics are sequentially consistent, so at least one sees the other.
 *
 * @module
 */

const Slot = {
  /** Grows with every ring of the bell. */
  RINGS: 0,
  /** 1 while the main thread waits; on a cache line of its own. */
  WAITING: 16,
} as const;

const SIZE = 128;

/** One bell for all workers of a pool. */
export class Doorbell {
  readonly memory: SharedArrayBuffer;
  readonly #slots: Int32Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(SIZE)) {
    this.memory = memory;
    this.#slots = new Int32Array(memory);
  }

  /** Wakes the waiter, if there is one. One load when there is none. */
  ring(): void {
    if (Atomics.load(this.#slots, Slot.WAITING) === 0) return;
    // Of several workers that see the waiter, one pays for waking it.
    if (Atomics.compareExchange(this.#slots, Slot.WAITING, 1, 0) === 1) this.#notify();
  }

  /** Wakes the waiter; one that comes later does not wait for this. */
  wake(): void {
    Atomics.store(this.#slots, Slot.WAITING, 0);
    this.#notify();
  }

  /**
   * Waits on the main thread until the bell rings, or at most `timeoutMs`.
   *
   * @param ready is asked after the bell is armed; true ends the wait at once.
   */
  async wait(timeoutMs: number, ready: () => boolean): Promise<void> {
    const before = Atomics.load(this.#slots, Slot.RINGS);
    Atomics.store(this.#slots, Slot.WAITING, 1);
    if (!ready()) {
      const wait = Atomics.waitAsync(this.#slots, Slot.RINGS, before, timeoutMs);
      if (wait.async) await wait.value;
    }
    Atomics.store(this.#slots, Slot.WAITING, 0);
  }

  #notify(): void {
    Atomics.add(this.#slots, Slot.RINGS, 1);
    Atomics.notify(this.#slots, Slot.RINGS);
  }
}
