/**
 * The kernel's side of a perf ring in plain memory: writes samples, loses them when it is full, and
 * says so with the next one that fits.
 *
 * @module
 */
import { PERF_RING_DATA_HEAD, PERF_RING_DATA_TAIL, PerfRecordType } from "../../ffi/mod.ts";
import { PerfMemory } from "../../src/capture/perf_memory.ts";
import { RECORD_HEADER_SIZE } from "../../src/wire/mod.ts";

export const FAKE_PAGE_SIZE = 4096;
const PERF_HEADER_SIZE = 8;
const LOST_SIZE = 24;

/** The writer. `perf` is the worker's view of the same memory. */
export class FakePerfRing {
  readonly perf: PerfMemory;
  /** Samples that found no room. */
  lost = 0;
  readonly #data: Uint8Array;
  readonly #positions: BigUint64Array;
  #lostUnsaid = 0;

  /** `start` is the stream position of the first byte: data_head and data_tail begin there. */
  constructor(size: number, start = 0n) {
    const memory = new ArrayBuffer(FAKE_PAGE_SIZE + size);
    this.perf = new PerfMemory(memory, FAKE_PAGE_SIZE);
    this.#data = new Uint8Array(memory, FAKE_PAGE_SIZE);
    this.#positions = new BigUint64Array(memory, 0, FAKE_PAGE_SIZE / 8);
    this.#positions[PERF_RING_DATA_HEAD / 8] = start;
    this.#positions[PERF_RING_DATA_TAIL / 8] = start;
  }

  get tail(): bigint {
    return this.#positions[PERF_RING_DATA_TAIL / 8]!;
  }

  get head(): bigint {
    return this.#positions[PERF_RING_DATA_HEAD / 8]!;
  }

  /** Writes a record as bpf_perf_event_output() does. @returns false when there was no room. */
  emit(record: Uint8Array): boolean {
    const size = Math.ceil((PERF_HEADER_SIZE + 4 + record.length) / 8) * 8;
    const room = this.#data.length - Number(this.head - this.tail);
    if (size + (this.#lostUnsaid > 0 ? LOST_SIZE : 0) >= room) {
      this.lost++;
      this.#lostUnsaid++;
      return false;
    }
    if (this.#lostUnsaid > 0) this.#emitLost();
    const bytes = new Uint8Array(size);
    const view = perfHeader(bytes, PerfRecordType.SAMPLE);
    view.setUint32(PERF_HEADER_SIZE, size - PERF_HEADER_SIZE - 4, true);
    bytes.set(record, PERF_HEADER_SIZE + 4);
    this.append(bytes);
    return true;
  }

  /** Puts bytes into the ring as they are. */
  append(bytes: Uint8Array): void {
    const at = Number(this.head) & (this.#data.length - 1);
    const first = Math.min(bytes.length, this.#data.length - at);
    this.#data.set(bytes.subarray(0, first), at);
    this.#data.set(bytes.subarray(first), 0);
    this.#positions[PERF_RING_DATA_HEAD / 8] = this.head + BigInt(bytes.length);
  }

  #emitLost(): void {
    const bytes = new Uint8Array(LOST_SIZE);
    const view = perfHeader(bytes, PerfRecordType.LOST);
    view.setBigUint64(PERF_HEADER_SIZE + 8, BigInt(this.#lostUnsaid), true);
    this.#lostUnsaid = 0;
    this.append(bytes);
  }
}

/** A whole perf record of another type. */
export function foreignRecord(type: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  perfHeader(bytes, type);
  return bytes;
}

/** A record of ours of `size` bytes that holds `number` after its header and at its end. */
export function numberedRecord(number: number, size: number): Uint8Array {
  const record = new Uint8Array(size);
  const view = new DataView(record.buffer);
  view.setUint32(0, size, true);
  view.setUint32(RECORD_HEADER_SIZE, number, true);
  view.setUint32(size - 4, number, true);
  return record;
}

/** Smallest `numberedRecord()`. */
export const NUMBERED_RECORD_SIZE_MIN = RECORD_HEADER_SIZE + 8;

function perfHeader(bytes: Uint8Array, type: number): DataView {
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint16(6, bytes.length, true);
  return view;
}
