/**
 * Memory that C or the kernel owns, as bytes.
 *
 * @module
 */

/** Address of a buffer's first byte; the caller keeps the buffer alive while C uses it. */
export function addressOf(buffer: Uint8Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer));
}

/** A pointer value of an address; 0 is NULL. */
export function pointerAt(address: bigint): Deno.PointerValue {
  return Deno.UnsafePointer.create(address);
}

/** Address a pointer holds; NULL is 0. */
export function addressIn(pointer: Deno.PointerValue): bigint {
  return Deno.UnsafePointer.value(pointer);
}

/**
 * A window on memory owned by somebody else. `detach()` takes it away: every view made from
 * `buffer` then has length 0, so a stale one reads nothing instead of touching freed memory.
 */
export class BorrowedMemory {
  /** The memory itself, not a copy. */
  readonly buffer: ArrayBuffer;

  constructor(pointer: Deno.PointerObject, size: number) {
    this.buffer = Deno.UnsafePointerView.getArrayBuffer(pointer, size);
  }

  /**
   * A window on memory that another thread has mapped.
   *
   * @throws {RangeError} the address is 0.
   */
  static at(address: bigint, size: number): BorrowedMemory {
    const pointer = pointerAt(address);
    if (pointer === null) throw new RangeError("Cannot look at memory: the address is 0");
    return new BorrowedMemory(pointer, size);
  }

  /** Takes the window away from all views. Safe to call twice. */
  detach(): void {
    if (this.buffer.detached) return;
    // The store of an external buffer has no finalizer, so only the views change hands here.
    structuredClone(this.buffer, { transfer: [this.buffer] });
  }
}
