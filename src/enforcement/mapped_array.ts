/**
 * A BPF array in the memory of this process.
 *
 * @module
 */
import type { BpfMap, Libc, MappedMemory } from "../../ffi/mod.ts";

const WORD_SIZE = 8;

/**
 * Rows of an array that was made with BPF_F_MMAPABLE. A store is one store for programs too, which
 * an update through bpf(2) is not: that copies the whole row.
 */
export class MappedArray {
  /** Bytes from one row to the next. */
  readonly #stride: number;
  readonly #memory: MappedMemory;
  readonly #words: BigUint64Array;
  readonly #halves: Uint32Array;

  /** @throws {LibcError} the kernel does not map it. */
  constructor(libc: Pick<Libc, "mmap" | "pageSize">, map: BpfMap) {
    this.#stride = Math.ceil(map.valueSize / WORD_SIZE) * WORD_SIZE;
    const size = this.#stride * map.maxEntries;
    this.#memory = libc.mmap(map.fd, Math.ceil(size / libc.pageSize) * libc.pageSize);
    this.#words = new BigUint64Array(this.#memory.buffer);
    this.#halves = new Uint32Array(this.#memory.buffer);
  }

  /** Stores the 8 bytes at `offset` of a row, a multiple of 8. */
  setU64(row: number, offset: number, value: bigint): void {
    Atomics.store(this.#words, this.#place(row, offset) / 8, value);
  }

  /** Stores the 4 bytes at `offset` of a row, a multiple of 4. */
  setU32(row: number, offset: number, value: number): void {
    Atomics.store(this.#halves, this.#place(row, offset) / 4, value);
  }

  u32(row: number, offset: number): number {
    return this.#halves[this.#place(row, offset) / 4]!;
  }

  #place(row: number, offset: number): number {
    return row * this.#stride + offset;
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }
}
