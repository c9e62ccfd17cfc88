/**
 * A reader of the perf rings for tests: one thread, no shared memory, as plain as can be, so that
 * tests of the kernel side do not depend on `src/capture`.
 *
 * @module
 */
import {
  type Libbpf,
  type Libc,
  type MappedMemory,
  MapUpdate,
  onlineCpus,
  PERF_RING_DATA_HEAD,
  PERF_RING_DATA_TAIL,
  PerfRecordType,
} from "../../ffi/mod.ts";

/** Pages of each ring: 4 MiB, so that a test's burst fits between two looks. */
const RING_PAGES = 1024;
/** perf_event_header (8) and the size of the raw sample (4). */
const SAMPLE_HEADER_SIZE = 12;

/** Takes one record; its bytes are its own. */
export type RecordSink = (bytes: Uint8Array<ArrayBuffer>) => void;

interface Ring {
  readonly cpu: number;
  readonly fd: number;
  readonly memory: MappedMemory;
}

/** Owns a perf event and ring for each online CPU. */
export class PerfReader {
  readonly #libc: Libc;
  readonly #rings: Ring[] = [];
  readonly #pageSize: number;
  /** Records the kernel says it lost. */
  lost = 0;

  constructor(libbpf: Libbpf, libc: Libc, recordsMapFd: number) {
    this.#libc = libc;
    this.#pageSize = libc.pageSize;
    for (const cpu of onlineCpus()) {
      const fd = libc.perfEventOpen({ wakeupEvents: 1 }, cpu);
      const memory = libc.mmap(fd, (RING_PAGES + 1) * this.#pageSize);
      this.#rings.push({ cpu, fd, memory });
      libbpf.elements.update(recordsMapFd, u32(cpu), u32(fd), MapUpdate.any);
    }
  }

  /** Hands over what the rings have now. */
  drain(sink: RecordSink): void {
    for (const { memory } of this.#rings) this.#drainRing(memory, sink);
  }

  #drainRing(memory: MappedMemory, sink: RecordSink): void {
    const control = new BigUint64Array(memory.buffer, 0, this.#pageSize / 8);
    const data = new Uint8Array(memory.buffer, this.#pageSize);
    const head = Atomics.load(control, PERF_RING_DATA_HEAD / 8);
    let tail = Atomics.load(control, PERF_RING_DATA_TAIL / 8);
    while (tail < head) {
      const at = Number(tail % BigInt(data.length));
      const header = copyWrapped(data, at, 8);
      const view = new DataView(header.buffer);
      const size = view.getUint16(6, true);
      const record = copyWrapped(data, at, size);
      if (view.getUint32(0, true) === PerfRecordType.SAMPLE) {
        sink(record.slice(SAMPLE_HEADER_SIZE));
      } else if (view.getUint32(0, true) === PerfRecordType.LOST) {
        this.lost += Number(new DataView(record.buffer).getBigUint64(16, true));
      }
      tail += BigInt(size);
    }
    Atomics.store(control, PERF_RING_DATA_TAIL / 8, tail);
  }

  [Symbol.dispose](): void {
    for (const { fd, memory } of this.#rings) {
      memory[Symbol.dispose]();
      this.#libc.close(fd);
    }
    this.#rings.length = 0;
  }
}

function copyWrapped(data: Uint8Array, at: number, size: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(size);
  const first = Math.min(size, data.length - at);
  copy.set(data.subarray(at, at + first));
  copy.set(data.subarray(0, size - first), first);
  return copy;
}

function u32(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array([value]).buffer);
}
