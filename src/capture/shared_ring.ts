/**
 * The memory between a capture worker and the main thread: one ring per CPU.
 *
 * It carries the byte stream of that CPU's perf ring unchanged, so one position counts both: it is
 * the low 32 bits of the kernel's data_head, data_tail, what is published here and what is read.
 *
 *     read <= write (= data_tail) <= data_head         all modulo 2^32
 *
 * What follows from it: a worker that dies between publishing and moving data_tail loses and
 * doubles nothing, because its successor takes data_tail from `write`; and "everything has been
 * read" is one comparison, read == data_head.
 *
 * Memory order: the writer copies the bytes, then stores `write` with Atomics.store; the reader
 * loads `write` with Atomics.load and then reads bytes below it. The store synchronizes with the
 * load that sees it (ECMAScript memory model), so the bytes are there. The reader stores `read`
 * only when it needs the bytes below no more, the writer loads it before it overwrites them.
 *
 * @module
 */

/** Int32 slots of the header. The writer's and the reader's stand on different cache lines. */
export const RingSlot = {
  /** Stream position up to which bytes are published. Writer. */
  WRITE: 0,
  /** 1 while bytes wait in the kernel's ring because this one is full. Writer. */
  STALLED: 1,
  /** How often that began. Writer. */
  STALL_COUNT: 2,
  /** How often bytes were copied. Writer. */
  COPY_COUNT: 3,
  /** 1 while the kernel wakes the worker by watermark, not by record. Writer. */
  WATERMARK: 4,
  /** How often that changed. Writer. */
  SWITCH_COUNT: 5,
  /** 1 when poll(2) said that the perf event is dead. Writer. */
  HUNG_UP: 6,
  /** Stream position up to which bytes are read and free. Reader. */
  READ: 16,
} as const;

const HEADER_SIZE = 128;

/** A record has at most 64 KiB, as its header's size has 16 bits. */
const RECORD_SIZE_LIMIT = 0x1_0000;

/** Smallest data area: it must hold more than the largest record, or that would never pass. */
export const SHARED_RING_SIZE_MIN = 2 * RECORD_SIZE_LIMIT;

/** A rule of the ring does not hold: memory was overwritten, or two threads took one role. */
export class RingInvariantError extends Error {
  override readonly name = "RingInvariantError";

  constructor(found: string) {
    super(`Cannot use shared ring: ${found}`);
  }
}

/** Memory for a ring with a data area of `size` bytes, a power of two. */
export function createSharedRing(size: number): SharedArrayBuffer {
  if (size < SHARED_RING_SIZE_MIN || (size & (size - 1)) !== 0) {
    throw new RangeError(
      `Cannot make a shared ring of "${size}" bytes: it must be a power of two of at least ` +
        `${SHARED_RING_SIZE_MIN}`,
    );
  }
  return new SharedArrayBuffer(HEADER_SIZE + size);
}

/** Both sides' view of one ring. `RingWriter` and `RingReader` each take their role in it. */
export class SharedRing {
  readonly slots: Int32Array<SharedArrayBuffer>;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** Data area, bytes. */
  readonly size: number;
  /** Stream position to byte of `bytes`. */
  readonly mask: number;

  constructor(memory: SharedArrayBuffer) {
    this.slots = new Int32Array(memory, 0, HEADER_SIZE / 4);
    this.bytes = new Uint8Array(memory, HEADER_SIZE);
    this.size = this.bytes.length;
    this.mask = this.size - 1;
    this.assertInvariants();
  }

  /** What is published, as an unsigned stream position. */
  get write(): number {
    return Atomics.load(this.slots, RingSlot.WRITE) >>> 0;
  }

  /** What is free again, as an unsigned stream position. */
  get read(): number {
    return Atomics.load(this.slots, RingSlot.READ) >>> 0;
  }

  /**
   * Lets the writer's thread sleep until the reader has freed memory, at most `timeoutMs`. The
   * writer has set STALLED before; the reader stores READ and then looks at STALLED, so one sees
   * the other.
   */
  waitForRoom(timeoutMs: number): void {
    const read = Atomics.load(this.slots, RingSlot.READ);
    if (((this.write - (read >>> 0)) >>> 0) < this.size) return;
    Atomics.wait(this.slots, RingSlot.READ, read, timeoutMs);
  }

  /**
   * Frees memory up to a stream position, and wakes the writer's thread when it waits for it.
   */
  free(position: number): void {
    Atomics.store(this.slots, RingSlot.READ, position | 0);
    if (Atomics.load(this.slots, RingSlot.STALLED) === 1) {
      Atomics.notify(this.slots, RingSlot.READ);
    }
  }

  /**
   * Holds for both sides at any time, whatever the other one does meanwhile: the reader's position
   * is loaded first and only grows.
   *
   * @throws {RingInvariantError}
   */
  assertInvariants(): void {
    if ((this.size & this.mask) !== 0) throw new RingInvariantError(`size ${this.size}`);
    const read = this.read;
    const used = (this.write - read) >>> 0;
    // The reader may free, and the writer fill, between the two loads: hence twice the size.
    if (used > 2 * this.size) throw new RingInvariantError(`${used} of ${this.size} bytes used`);
  }
}
