/**
 * The main thread's side of a shared ring: perf records in, records out.
 *
 * @module
 */
import { PerfRecordType } from "../../ffi/mod.ts";
import type { Clock, Counter, LossLedger } from "../telemetry/mod.ts";
import { RECORD_HEADER_SIZE, type RecordView } from "../wire/mod.ts";
import { PERF_HEADER_SIZE, PERF_HEADER_SIZE_OFFSET } from "./perf_memory.ts";
import type { RecordRing } from "./record_source.ts";
import { RingInvariantError, type SharedRing } from "./shared_ring.ts";

/** In a PERF_RECORD_SAMPLE with PERF_SAMPLE_RAW alone, u32 size and the bytes follow the header. */
const RAW_SIZE_OFFSET = PERF_HEADER_SIZE;
const RAW_OFFSET = RAW_SIZE_OFFSET + 4;
/** In a PERF_RECORD_LOST, u64 id and u64 lost follow the header. */
const LOST_COUNT_OFFSET = PERF_HEADER_SIZE + 8;
const LOST_SIZE = PERF_HEADER_SIZE + 16;

/** Sizes in perf headers have 16 bits. */
const LINEAR_SIZE = 0x1_0000;

/** What a reader counts. */
export interface ReaderCounters {
  /** Records the kernel said it lost (PERF_RECORD_LOST). */
  readonly kernelLost: Counter;
  /** Records that could not be read. */
  readonly malformed: Counter;
  /** Perf records that are neither samples nor LOST. */
  readonly foreign: Counter;
}

/** What a reader stands on. */
export interface RingReaderOptions {
  readonly cpu: number;
  readonly ring: SharedRing;
  /** Low 32 bits of data_head, as long as the perf ring is mapped. */
  readonly head: () => number;
  readonly counters: ReaderCounters;
  readonly losses: LossLedger;
  readonly clock: Clock;
}

/** Reads one CPU's records in their order. The only reader of its ring. */
export class RingReader implements RecordRing {
  readonly cpu: number;
  readonly #ring: SharedRing;
  readonly #view: DataView<SharedArrayBuffer>;
  readonly #counters: ReaderCounters;
  readonly #losses: LossLedger;
  readonly #clock: Clock;
  #head: (() => number) | null;
  #read: number;
  /** `READ` as the writer may see it; it lags behind `#read` to save stores. */
  #freed: number;
  #write: number;
  /** What was published when the pipeline was last told. */
  #noticed: number;
  /** Bytes of the perf record that `peek()` shows, 0 when none. */
  #shown = 0;
  /** Bytes to throw away until the stream is between records again. */
  #skip = 0;
  /** A record that straddles the end of the ring is put together here; made when first needed. */
  #linear: Uint8Array<ArrayBuffer> | null = null;
  #linearView: DataView<ArrayBuffer> | null = null;
  #retired = false;

  constructor(options: RingReaderOptions) {
    this.cpu = options.cpu;
    this.#ring = options.ring;
    this.#view = new DataView(options.ring.bytes.buffer, options.ring.bytes.byteOffset);
    this.#counters = options.counters;
    this.#losses = options.losses;
    this.#clock = options.clock;
    this.#head = options.head;
    this.#read = options.ring.read;
    this.#freed = this.#read;
    this.#write = this.#read;
    this.#noticed = this.#read;
  }

  /**
   * Whether something was published since the last call that `peek()` did not see. A record that is
   * there but held back by the merge is no news, so it does not keep the pipeline from waiting.
   */
  takeNews(): boolean {
    const write = this.#ring.write;
    if (write === this.#noticed) return false;
    this.#noticed = write;
    return true;
  }

  get ended(): boolean {
    return this.#retired && this.isDrained();
  }

  /**
   * Exact, with one load: the reader's position counts the kernel's stream (see SharedRing), so
   * equality with data_head means that nothing is in the perf ring, nothing in the worker's hands
   * and nothing in the shared ring. A record that is being written is not in data_head yet; that
   * is the time the contract allows for.
   */
  isDrained(): boolean {
    return this.#read === (this.#head === null ? this.#ring.write : this.#head());
  }

  peek(view: RecordView): boolean {
    for (;;) {
      if (this.#skip > 0 && !this.#skipBytes()) return false;
      let there = (this.#write - this.#read) >>> 0;
      if (there < PERF_HEADER_SIZE) {
        there = this.#refill();
        if (there < PERF_HEADER_SIZE) return false;
      }
      const at = this.#read & this.#ring.mask;
      // Perf records are multiples of 8 bytes, so a header never straddles the end.
      const size = this.#view.getUint16(at + PERF_HEADER_SIZE_OFFSET, true);
      if (size < PERF_HEADER_SIZE || (size & 7) !== 0) {
        this.#beginSkip();
        continue;
      }
      // The writer copies bytes, not records: the end of this one may still be on its way.
      if (there < size && this.#refill() < size) return false;
      if (this.#view.getUint32(at, true) !== PerfRecordType.SAMPLE) {
        this.#countOther(at, size);
      } else if (this.#show(view, at, size)) {
        this.#shown = size;
        return true;
      } else {
        this.#countMalformed();
      }
      this.#advance(size);
    }
  }

  take(): void {
    if (this.#shown === 0) throw new RingInvariantError("take() without a record");
    this.#advance(this.#shown);
    this.#shown = 0;
  }

  /** The CPU is gone: `ended` becomes true with the last record. */
  retire(): void {
    this.#retired = true;
  }

  /** The perf ring is about to be unmapped. What is in the shared ring can still be read. */
  unmap(): void {
    this.#head = null;
  }

  /** Puts `view` on the record in the sample at byte `at`; false when its sizes do not fit. */
  #show(view: RecordView, at: number, size: number): boolean {
    if (size < RAW_OFFSET + RECORD_HEADER_SIZE) return false;
    let bytes: Uint8Array = this.#ring.bytes;
    let words: DataView = this.#view;
    let base = at;
    if (at + size > this.#ring.size) {
      bytes = this.#linearize(at, size);
      words = this.#linearView!;
      base = 0;
    }
    const rawSize = words.getUint32(base + RAW_SIZE_OFFSET, true);
    const recordSize = words.getUint32(base + RAW_OFFSET, true);
    if (rawSize > size - RAW_OFFSET || recordSize > rawSize || recordSize < RECORD_HEADER_SIZE) {
      return false;
    }
    view.set(bytes, words, base + RAW_OFFSET, recordSize);
    return true;
  }

  #linearize(at: number, size: number): Uint8Array {
    const linear = this.#linear ??= new Uint8Array(LINEAR_SIZE);
    this.#linearView ??= new DataView(linear.buffer);
    const first = this.#ring.size - at;
    linear.set(this.#ring.bytes.subarray(at));
    linear.set(this.#ring.bytes.subarray(0, size - first), first);
    return linear;
  }

  #countOther(at: number, size: number): void {
    if (this.#view.getUint32(at, true) !== PerfRecordType.LOST) {
      this.#counters.foreign.value++;
      return;
    }
    if (size < LOST_SIZE) return this.#countMalformed();
    // Multiples of 8 again: the u64 does not straddle, but the record may.
    const countAt = (at + LOST_COUNT_OFFSET) & this.#ring.mask;
    this.#counters.kernelLost.value += Number(this.#view.getBigUint64(countAt, true));
  }

  #countMalformed(): void {
    this.#counters.malformed.value++;
    const nowNs = this.#clock.monotonicNs();
    const loss = { cause: "malformed_record", cpu: this.cpu, count: 1 };
    this.#losses.add({ ...loss, firstNs: nowNs, lastNs: nowNs });
  }

  /**
   * A header makes no sense, so where the next record starts is not known. data_head is between
   * records: everything up to where it is now goes. How many records that is cannot be known
   * either; it is counted as one.
   */
  #beginSkip(): void {
    this.#countMalformed();
    const head = this.#head === null ? this.#ring.write : this.#head();
    this.#skip = (head - this.#read) >>> 0;
  }

  /** Skips what is there. @returns whether the end of the skip was reached. */
  #skipBytes(): boolean {
    const size = Math.min(this.#refill(), this.#skip);
    this.#skip -= size;
    this.#advance(size);
    return this.#skip === 0;
  }

  #advance(size: number): void {
    this.#read = (this.#read + size) >>> 0;
    // A quarter: the writer is never held up by more, and most records cost no atomic store.
    if (((this.#read - this.#freed) >>> 0) > this.#ring.size >>> 2) this.#free();
  }

  #free(): void {
    this.#freed = this.#read;
    this.#ring.free(this.#read);
  }

  /** Looks for more. @returns bytes that can be read. */
  #refill(): number {
    if (this.#freed !== this.#read) this.#free();
    this.#write = this.#ring.write;
    this.#noticed = this.#write;
    const there = (this.#write - this.#read) >>> 0;
    if (there > this.#ring.size) {
      throw new RingInvariantError(`${there} of ${this.#ring.size} bytes published`);
    }
    return there;
  }
}
