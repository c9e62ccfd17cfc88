/**
 * A cursor over one record in a byte buffer. The capture reader moves one instance from record to
 * record, so a decoder must copy what it keeps before it returns.
 *
 * @module
 */
import { RecordHeaderOffset } from "./generated/record.ts";

const EMPTY = new Uint8Array(0);

/** The record that a ring's reader stands on. Valid until the reader moves on. */
export class RecordView {
  /** Memory that holds the record; may be shared with other threads and hold more than it. */
  bytes: Uint8Array = EMPTY;
  /** The same memory. */
  view: DataView = new DataView(EMPTY.buffer);
  /** Byte where the record starts in `bytes` and `view`. */
  offset = 0;
  /** Bytes the record has by its own header. */
  size = 0;

  /** Record kind: sensor block << 8 | number. */
  get kind(): number {
    return this.view.getUint16(this.offset + RecordHeaderOffset.kind, true);
  }

  /** CLOCK_MONOTONIC nanoseconds as the kernel wrote it. */
  get timeNs(): bigint {
    return this.view.getBigUint64(this.offset + RecordHeaderOffset.timeNs, true);
  }

  /**
   * The same time as a double, for ordering only: exact for the first 104 days of uptime, within
   * 4 ns for the first 400.
   */
  get order(): number {
    const at = this.offset + RecordHeaderOffset.timeNs;
    return this.view.getUint32(at + 4, true) * 0x1_0000_0000 + this.view.getUint32(at, true);
  }

  /**
   * Puts the cursor on a record of `size` bytes at `offset` of `bytes`; `view` spans the same
   * memory.
   */
  set(bytes: Uint8Array, view: DataView, offset: number, size: number): void {
    this.bytes = bytes;
    this.view = view;
    this.offset = offset;
    this.size = size;
  }
}
