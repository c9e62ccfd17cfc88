/**
 * A ring whose records stand for something that is known, and whose reader may get no CPU.
 *
 * @module
 */
import type { RecordRing } from "../../src/capture/record_source.ts";
import type { RecordView } from "../../src/wire/mod.ts";
import type { Truth } from "./host_truth.ts";

interface Item {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly truth: Truth;
}

/** Taken records are let go of when so many have come together. */
const COMPACT_AT = 4096;

/** One CPU's ring. */
export class SimulatedRing implements RecordRing {
  readonly ended = false;
  /** Looks that show nothing yet, because the worker waits for its turn. */
  stalledLooks = 0;
  /** Something in it was made while it was stalled, and may come late. */
  mayBeLate = false;
  readonly #onTaken: (truth: Truth, ring: SimulatedRing) => void;
  #items: Item[] = [];
  #at = 0;

  constructor(readonly cpu: number, onTaken: (truth: Truth, ring: SimulatedRing) => void) {
    this.#onTaken = onTaken;
  }

  get size(): number {
    return this.#items.length - this.#at;
  }

  push(bytes: Uint8Array<ArrayBuffer>, truth: Truth): void {
    this.#items.push({ bytes, truth });
  }

  /** Loses all that nobody has read. */
  clear(): number {
    const count = this.size;
    this.#items = [];
    this.#at = 0;
    this.stalledLooks = 0;
    return count;
  }

  peek(view: RecordView): boolean {
    if (this.stalledLooks > 0) return false;
    const item = this.#items[this.#at];
    if (item === undefined) return false;
    const data = new DataView(item.bytes.buffer);
    view.set(item.bytes, data, 0, data.getUint32(0, true));
    return true;
  }

  take(): void {
    const { bytes, truth } = this.#items[this.#at]!;
    // The memory is given back: whoever still reads it reads rubbish.
    bytes.fill(0xaa);
    this.#at += 1;
    if (this.#at >= COMPACT_AT) {
      this.#items = this.#items.slice(this.#at);
      this.#at = 0;
    }
    this.#onTaken(truth, this);
    if (this.size === 0) this.mayBeLate = false;
  }

  isDrained(): boolean {
    if (this.stalledLooks > 0) this.stalledLooks -= 1;
    return this.stalledLooks === 0 && this.size === 0;
  }
}
