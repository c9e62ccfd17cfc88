/**
 * Bytes of whole lines that wait to be written.
 *
 * @module
 */

/** Bytes a buffer starts with and goes back to after a burst. */
const SIZE_MIN = 64 * 1024;

const encoder = new TextEncoder();
const NEWLINE = 0x0a;

/** Lines are added at the end and taken from the start. Grows by doubling up to its limit. */
export class LineBuffer {
  #bytes = new Uint8Array(SIZE_MIN);
  #start = 0;
  #end = 0;
  #lines = 0;

  /** Bytes that wait. */
  get size(): number {
    return this.#end - this.#start;
  }

  /** Lines added since it was last empty; some may be taken already. */
  get lines(): number {
    return this.#lines;
  }

  /**
   * Adds a line unless the waiting bytes would become more than `sizeMax`.
   *
   * @returns whether it was added; a line is never cut.
   */
  add(line: string, sizeMax: number): boolean {
    this.#makeRoom(line.length, sizeMax);
    let room = Math.min(this.#bytes.length - this.#end, sizeMax - this.size);
    if (room < line.length) return false;
    let result = encoder.encodeInto(line, this.#bytes.subarray(this.#end, this.#end + room));
    if (result.read < line.length) {
      // Characters outside of ASCII: up to three bytes each.
      this.#makeRoom(line.length * 3, sizeMax);
      room = Math.min(this.#bytes.length - this.#end, sizeMax - this.size);
      result = encoder.encodeInto(line, this.#bytes.subarray(this.#end, this.#end + room));
      if (result.read < line.length) return false;
    }
    this.#end += result.written;
    this.#lines++;
    return true;
  }

  /** The oldest bytes, at most `sizeMax`, in place: valid until the next `add()` or `take()`. */
  peek(sizeMax: number): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#start, Math.min(this.#end, this.#start + sizeMax));
  }

  /** Lets go of the oldest `size` bytes. */
  take(size: number): void {
    this.#start += size;
    if (this.#start >= this.#end) this.clear();
  }

  /** Newlines among the waiting bytes: lines that are not wholly taken. */
  countWaiting(): number {
    let count = 0;
    for (let at = this.#start; at < this.#end; at++) if (this.#bytes[at] === NEWLINE) count++;
    return count;
  }

  clear(): void {
    this.#start = 0;
    this.#end = 0;
    this.#lines = 0;
    if (this.#bytes.length > SIZE_MIN) this.#bytes = new Uint8Array(SIZE_MIN);
  }

  /** Tries to have `size` bytes free at the end, holding at most `sizeMax` waiting bytes. */
  #makeRoom(size: number, sizeMax: number): void {
    if (this.#bytes.length - this.#end >= size) return;
    const waiting = this.size;
    const wanted = Math.min(waiting + size, sizeMax);
    if (wanted > this.#bytes.length) {
      const length = Math.max(wanted, Math.min(this.#bytes.length * 2, sizeMax));
      const bytes = new Uint8Array(length);
      bytes.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = bytes;
    } else if (this.#start > 0) {
      this.#bytes.copyWithin(0, this.#start, this.#end);
    }
    this.#start = 0;
    this.#end = waiting;
  }
}
