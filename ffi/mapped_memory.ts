/**
 * A mapping of this process.
 *
 * @module
 */
import { addressIn, BorrowedMemory } from "./memory.ts";

/**
 * Memory from mmap(2). The address may be given to other threads of the process, which make their
 * own window with `BorrowedMemory.at()`; the owner unmaps when they are done.
 */
export class MappedMemory {
  readonly address: bigint;
  /** Bytes. */
  readonly size: number;
  readonly #memory: BorrowedMemory;
  readonly #unmap: () => void;
  #mapped = true;

  constructor(pointer: Deno.PointerObject, size: number, unmap: () => void) {
    this.address = addressIn(pointer);
    this.size = size;
    this.#memory = new BorrowedMemory(pointer, size);
    this.#unmap = unmap;
  }

  /** The memory; its views become empty when it is unmapped. */
  get buffer(): ArrayBuffer {
    return this.#memory.buffer;
  }

  /** Unmaps. Safe to call twice. */
  [Symbol.dispose](): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    this.#memory.detach();
    this.#unmap();
  }
}
