/**
 * Time that stands still until the test moves it.
 *
 * @module
 */
interface FakeTimer {
  readonly atMs: number;
  readonly action: () => void;
}

/** Clock and timers of `src/workloads`. */
export class FakeTimers {
  #nowMs = 0;
  readonly #timers = new Set<FakeTimer>();

  /** Timers that wait. */
  get size(): number {
    return this.#timers.size;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, action: () => void): { cancel(): void } {
    const timer = { atMs: this.#nowMs + delayMs, action };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Lets time pass; fires what is due in order, each at its time, and what follows from it. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
      if (next === undefined || next.atMs > endMs) break;
      this.#timers.delete(next);
      this.#nowMs = next.atMs;
      next.action();
      await settle();
    }
    this.#nowMs = endMs;
  }
}

/** Lets everything that waits for no I/O and no timer run to its end. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}
