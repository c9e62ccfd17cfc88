/**
 * The perf ring of one CPU: two events with output to one mapped ring. Opened on the main thread,
 * so that a worker may die without taking it along.
 *
 * @module
 */
import {
  CallError,
  type Libc,
  type MappedMemory,
  PERF_EVENT_IOC_SET_OUTPUT,
} from "../../ffi/mod.ts";
import type { CpuRing } from "./cpu_ring.ts";
import { PerfMemory } from "./perf_memory.ts";

/** The ring must hold a record of 64 KiB while others are still in it. */
const RING_SIZE_MIN = 1 << 17;

/** The worker is woken by watermark when this part of the ring is full. */
const WATERMARK_DIVISOR = 4;

/** sizeof the two u64 that read(2) of our events gives: value, time_running. */
const READ_SIZE = 16;

/** The kernel's clock has steps of some 40 ns at most, a read takes longer; once would do. */
const CLOCK_LOOKS = 10;

/** A CPU has no ring. */
export class RingOpenError extends Error {
  override readonly name = "RingOpenError";
  readonly hint: string;

  constructor(readonly cpu: number, override readonly cause: CallError) {
    super(`Cannot open the perf ring of CPU "${cpu}": ${cause.message}`, { cause });
    this.hint = cause.hint;
  }
}

/** Size of a ring in bytes; two powers of two make one. */
export function ringSize(pages: number, pageSize: number): number {
  if (!Number.isInteger(pages) || pages < 1 || (pages & (pages - 1)) !== 0) {
    throw new RangeError(`Cannot make a perf ring of "${pages}" pages: it must be a power of two`);
  }
  return Math.max(pages * pageSize, RING_SIZE_MIN);
}

/** Owns two descriptors and a mapping. */
export class PerfRing implements CpuRing {
  readonly cpu: number;
  /** Owns the ring; its output wakes when a quarter is full. */
  readonly watermarkFd: number;
  /** Output to the same ring; wakes at each record. */
  readonly eachFd: number;
  readonly pageSize: number;
  readonly address: bigint;
  readonly mappedSize: number;
  readonly size: number;
  readonly #mapping: MappedMemory;
  readonly #memory: PerfMemory;
  readonly #libc: Libc;
  #open = true;

  /**
   * Opens a ring of `size` bytes, or of half as many for as long as the kernel has not got the
   * memory or the right to lock it; look at `size`.
   *
   * @throws {RingOpenError} the CPU is offline (ENODEV), we may not, or there is no memory at all.
   */
  constructor(libc: Libc, cpu: number, size: number) {
    this.#libc = libc;
    this.cpu = cpu;
    this.pageSize = libc.pageSize;
    const undo: (() => void)[] = [];
    try {
      const opened = openLargest(libc, cpu, size, this.pageSize);
      this.watermarkFd = opened.fd;
      this.#mapping = opened.mapping;
      undo.push(() => libc.close(opened.fd), () => opened.mapping[Symbol.dispose]());
      this.eachFd = libc.perfEventOpen({ wakeupEvents: 1 }, cpu);
      undo.push(() => libc.close(this.eachFd));
      libc.ioctl(this.eachFd, PERF_EVENT_IOC_SET_OUTPUT, this.watermarkFd);
      this.#memory = new PerfMemory(this.#mapping.buffer, this.pageSize);
      this.address = this.#mapping.address;
      this.mappedSize = this.#mapping.size;
      this.size = this.#memory.size;
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error instanceof CallError ? new RingOpenError(cpu, error) : error;
    }
  }

  head(): number {
    return this.#memory.head;
  }

  /**
   * Whether the event's clock still runs. It stops for ever when the CPU goes offline, also when it
   * is online again before anybody looked.
   */
  isAlive(): boolean {
    const before = this.#runningNs();
    for (let look = 0; look < CLOCK_LOOKS; look++) {
      if (this.#runningNs() !== before) return true;
    }
    return false;
  }

  /** Time the event was active so far. Asks the CPU, some us. */
  #runningNs(): bigint {
    const values = new BigUint64Array(READ_SIZE / 8);
    this.#libc.read(this.watermarkFd, new Uint8Array(values.buffer));
    return values[1] ?? 0n;
  }

  /** Unmaps and closes. No thread may use the memory any more. Safe to call twice. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#mapping[Symbol.dispose]();
    this.#libc.close(this.eachFd);
    this.#libc.close(this.watermarkFd);
  }
}

/** Event and mapping of the largest ring up to `wanted` bytes that the kernel grants. */
function openLargest(
  libc: Libc,
  cpu: number,
  wanted: number,
  pageSize: number,
): { readonly fd: number; readonly mapping: MappedMemory } {
  for (let size = wanted;; size /= 2) {
    const fd = libc.perfEventOpen({ wakeupWatermarkSize: size / WATERMARK_DIVISOR }, cpu);
    try {
      return { fd, mapping: libc.mmap(fd, pageSize + size) };
    } catch (error) {
      libc.close(fd);
      const smallerMayDo = error instanceof CallError &&
        ["EPERM", "ENOMEM", "ENOBUFS"].includes(error.errnoName);
      if (!smallerMayDo || size <= RING_SIZE_MIN) throw error;
    }
  }
}
