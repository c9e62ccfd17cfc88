/**
 * What the pool needs of the system, as one seam: the real one here, a fake in the tests.
 *
 * @module
 */
import { type Libc, type MapElements, openLibc, openMapElements } from "../../ffi/mod.ts";
import type { CpuRing } from "./cpu_ring.ts";
import { PerfRing, ringSize } from "./perf_ring.ts";
import { clearRecordsSlot, setRecordsSlot } from "./records_slot.ts";

/** Calls of the pool into the system. */
export interface CaptureSystem extends Disposable {
  /** @throws {RingOpenError} */
  openRing(cpu: number, pages: number): CpuRing;
  setRecordsSlot(cpu: number, eventFd: number): void;
  clearRecordsSlot(cpu: number): void;
  openEventfd(): number;
  signalEventfd(fd: number): void;
  close(fd: number): void;
  /** Whether a thread of this process runs. */
  threadExists(threadId: number): boolean;
  nowMs(): number;
  sleep(ms: number): Promise<void>;
}

/** The kernel we run on. */
export class LinuxCaptureSystem implements CaptureSystem {
  readonly #libc: Libc;
  readonly #elements: MapElements;
  readonly #recordsMapFd: number;

  /** @throws {LibraryError} */
  constructor(libbpfPath: string, recordsMapFd: number) {
    this.#libc = openLibc();
    try {
      this.#elements = openMapElements(libbpfPath);
    } catch (error) {
      this.#libc[Symbol.dispose]();
      throw error;
    }
    this.#recordsMapFd = recordsMapFd;
  }

  openRing(cpu: number, pages: number): CpuRing {
    return new PerfRing(this.#libc, cpu, ringSize(pages, this.#libc.pageSize));
  }

  setRecordsSlot(cpu: number, eventFd: number): void {
    setRecordsSlot(this.#elements, this.#recordsMapFd, cpu, eventFd);
  }

  clearRecordsSlot(cpu: number): void {
    clearRecordsSlot(this.#elements, this.#recordsMapFd, cpu);
  }

  openEventfd(): number {
    return this.#libc.eventfd();
  }

  signalEventfd(fd: number): void {
    this.#libc.signalEventfd(fd);
  }

  close(fd: number): void {
    this.#libc.close(fd);
  }

  threadExists(threadId: number): boolean {
    try {
      Deno.statSync(`/proc/self/task/${threadId}`);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  nowMs(): number {
    return performance.now();
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  [Symbol.dispose](): void {
    this.#elements[Symbol.dispose]();
    this.#libc[Symbol.dispose]();
  }
}
