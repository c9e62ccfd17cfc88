/**
 * Rings in memory: the test decides what is in the kernel's ring and what has reached the shared
 * one.
 *
 * @module
 */
import type { RecordRing, RecordSource } from "../../src/capture/record_source.ts";
import type { RecordView } from "../../src/wire/mod.ts";

/** One CPU's ring. */
export class FakeRing implements RecordRing {
  ended = false;
  /** Bytes are still in the kernel's ring and not visible yet. */
  isBusy = false;
  readonly #records: Uint8Array[] = [];
  #at = 0;

  constructor(readonly cpu: number, records: readonly Uint8Array[] = []) {
    for (const record of records) this.push(record);
  }

  push(...records: Uint8Array[]): void {
    for (const record of records) this.#records.push(record);
  }

  peek(view: RecordView): boolean {
    const record = this.#records[this.#at];
    if (record === undefined) return false;
    const data = new DataView(record.buffer, record.byteOffset, record.byteLength);
    view.set(record, data, 0, data.getUint32(0, true));
    return true;
  }

  take(): void {
    const record = this.#records[this.#at];
    if (record === undefined) throw new Error("take() without a record");
    // The memory is given back: whoever still reads it reads rubbish.
    record.fill(0xaa);
    this.#at += 1;
  }

  isDrained(): boolean {
    return !this.isBusy && this.#at === this.#records.length;
  }
}

/** All rings; `wait()` returns in the next turn of the event loop. */
export class FakeRecordSource implements RecordSource {
  rings: readonly FakeRing[];
  /** Called at each wait, the place for a test to let time or records come. */
  onWait: (timeoutMs: number) => void = () => {};

  constructor(rings: readonly FakeRing[]) {
    this.rings = rings;
  }

  wait(timeoutMs: number): Promise<void> {
    this.onWait(timeoutMs);
    return new Promise((resolve) => setTimeout(resolve, 0));
  }

  wake(): void {}
}
