/**
 * The worker's side of a shared ring.
 *
 * @module
 */
import type { PerfMemory } from "./perf_memory.ts";
import { RingInvariantError, RingSlot, type SharedRing } from "./shared_ring.ts";

/**
 * Bytes copied before they are published and given back to the kernel. Small enough that the main
 * thread starts early and the bytes are still in the cache, large enough to cost no time.
 */
const COPY_SIZE_MAX = 1 << 18;

/** Moves the stream of one perf ring into its shared ring. The only writer of both positions. */
export class RingWriter {
  /** Records moved by the last `drain()`; an estimate when they were many. */
  records = 0;
  readonly #ring: SharedRing;
  readonly #perf: PerfMemory;
  #write: number;
  /** Whether `#write` stands between two records. */
  #atBoundary = false;
  #stalled: boolean;

  constructor(ring: SharedRing, perf: PerfMemory) {
    this.#ring = ring;
    this.#perf = perf;
    this.#write = ring.write;
    this.#stalled = Atomics.load(ring.slots, RingSlot.STALLED) === 1;
    // A worker before us may have died after it published and before it told the kernel.
    perf.release(this.#write);
  }

  /** Whether the last `drain()` had to leave bytes in the kernel's ring. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /**
   * Copies what both rings allow, at most one perf ring's worth, and publishes it. What does not
   * fit stays in the kernel's ring; when that is full too, the kernel drops and counts.
   *
   * @returns bytes moved.
   */
  drain(): number {
    const { slots } = this.#ring;
    let moved = 0;
    this.records = 0;
    for (;;) {
      const waiting = (this.#perf.head - this.#write) >>> 0;
      if (waiting > this.#perf.size) {
        throw new RingInvariantError(`${waiting} bytes in a perf ring of ${this.#perf.size}`);
      }
      const free = this.#ring.size - ((this.#write - this.#ring.read) >>> 0);
      const size = Math.min(waiting, free, COPY_SIZE_MAX);
      if (size === 0 || moved >= this.#perf.size) {
        this.#noteStall(waiting > 0 && free === 0);
        if (waiting === 0) this.#atBoundary = true;
        break;
      }
      if (this.#atBoundary) {
        this.records += this.#perf.estimateRecords(this.#write, waiting) * (size / waiting);
      }
      this.#copy(size);
      // A copy that ends elsewhere than at the head may end inside a record.
      this.#atBoundary = size === waiting;
      moved += size;
    }
    if (moved > 0) Atomics.add(slots, RingSlot.COPY_COUNT, 1);
    return moved;
  }

  /** Both rings are powers of two: with equal sizes this is one or two copies. */
  #copy(size: number): void {
    const from = this.#perf;
    const to = this.#ring;
    let position = this.#write;
    let left = size;
    while (left > 0) {
      const fromAt = position & from.mask;
      const toAt = position & to.mask;
      const part = Math.min(left, from.size - fromAt, to.size - toAt);
      to.bytes.set(from.bytes.subarray(fromAt, fromAt + part), toAt);
      position = (position + part) >>> 0;
      left -= part;
    }
    this.#write = position;
    Atomics.store(to.slots, RingSlot.WRITE, position | 0);
    from.release(position);
  }

  #noteStall(stalled: boolean): void {
    if (stalled === this.#stalled) return;
    this.#stalled = stalled;
    Atomics.store(this.#ring.slots, RingSlot.STALLED, stalled ? 1 : 0);
    if (stalled) Atomics.add(this.#ring.slots, RingSlot.STALL_COUNT, 1);
  }
}
