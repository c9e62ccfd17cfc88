/**
 * A mapped perf ring: the control page and the data behind it. The kernel writes data_head and the
 * data, we write data_tail.
 *
 * @module
 */
import { PERF_RING_DATA_HEAD, PERF_RING_DATA_TAIL } from "../../ffi/mod.ts";

/** perf_event_header: u32 type, u16 misc, u16 size. */
export const PERF_HEADER_SIZE = 8;
/** Where its size stands. */
export const PERF_HEADER_SIZE_OFFSET = 6;

/** Headers looked at to tell how many records a stretch holds; the rest is extrapolated. */
const COUNTED_RECORDS_MAX = 64;

/** One thread's view of a mapped perf ring. Made in the worker and, to look at `head`, on main. */
export class PerfMemory {
  /** The data area. */
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly mask: number;
  readonly #view: DataView;
  readonly #positions: Int32Array;
  readonly #positions64: BigUint64Array;

  /** `memory` is the whole mapping; its control page has `pageSize` bytes. */
  constructor(memory: ArrayBuffer, pageSize: number) {
    this.bytes = new Uint8Array(memory, pageSize);
    this.size = this.bytes.length;
    this.mask = this.size - 1;
    this.#view = new DataView(memory, pageSize);
    this.#positions = new Int32Array(memory, 0, pageSize / 4);
    this.#positions64 = new BigUint64Array(memory, 0, pageSize / 8);
  }

  /**
   * Low 32 bits of data_head: always between two records. The load is sequentially consistent,
   * which is stronger than the acquire that perf_output_put_handle() in the kernel pairs with.
   */
  get head(): number {
    return Atomics.load(this.#positions, PERF_RING_DATA_HEAD / 4) >>> 0;
  }

  /**
   * Gives bytes back to the kernel: data_tail becomes the position at or before data_head whose low
   * 32 bits are `position`.
   */
  release(position: number): void {
    const head = Atomics.load(this.#positions64, PERF_RING_DATA_HEAD / 8);
    const left = (Number(BigInt.asUintN(32, head)) - position) >>> 0;
    Atomics.store(this.#positions64, PERF_RING_DATA_TAIL / 8, head - BigInt(left));
  }

  /** About how many records the `size` bytes from `position` hold; it must be between records. */
  estimateRecords(position: number, size: number): number {
    let count = 0;
    let seen = 0;
    while (seen < size && count < COUNTED_RECORDS_MAX) {
      const at = (position + seen) & this.mask;
      const recordSize = this.#view.getUint16(at + PERF_HEADER_SIZE_OFFSET, true);
      if (recordSize < PERF_HEADER_SIZE) break;
      seen += recordSize;
      count++;
    }
    return seen === 0 ? 0 : count * (size / seen);
  }
}
