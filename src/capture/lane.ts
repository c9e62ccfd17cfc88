/**
 * What the main thread holds per CPU: the kernel's ring, the shared ring and its reader.
 *
 * @module
 */
import type { Clock, Counter, Counters, LossLedger } from "../telemetry/mod.ts";
import type { RingGrant } from "./capture_messages.ts";
import type { CpuRing } from "./cpu_ring.ts";
import { RingReader } from "./ring_reader.ts";
import { createSharedRing, RingSlot, SharedRing } from "./shared_ring.ts";

/** What lanes share. */
export interface LaneOptions {
  /** Data area of the shared ring, bytes. */
  readonly sharedRingSize: number;
  readonly counters: Counters;
  readonly losses: LossLedger;
  readonly clock: Clock;
}

/** One CPU. Owns the kernel's ring it is given. */
export class Lane {
  readonly cpu: number;
  readonly perf: CpuRing;
  readonly reader: RingReader;
  /** The CPU is gone. */
  retired = false;
  readonly #memory: SharedArrayBuffer;
  readonly #ring: SharedRing;
  readonly #mirrors: readonly CounterMirror[];
  #seenStalls = 0;
  #closed = false;

  constructor(perf: CpuRing, options: LaneOptions) {
    const { counters, losses, clock } = options;
    this.cpu = perf.cpu;
    this.perf = perf;
    this.#memory = createSharedRing(options.sharedRingSize);
    this.#ring = new SharedRing(this.#memory);
    this.reader = new RingReader({
      cpu: perf.cpu,
      ring: this.#ring,
      head: () => perf.head(),
      counters: {
        kernelLost: kernelLostCounter(counters, perf.cpu),
        malformed: counter(
          counters,
          "shrike_capture_malformed_total",
          "Records that could not be read",
          perf.cpu,
        ),
        foreign: counter(
          counters,
          "shrike_capture_foreign_total",
          "Perf records of unknown type",
          perf.cpu,
        ),
      },
      losses,
      clock,
    });
    const mirror = (slot: number, name: string, help: string) =>
      new CounterMirror(this.#ring, slot, counter(counters, name, help, perf.cpu));
    this.#mirrors = [
      mirror(RingSlot.STALL_COUNT, "shrike_capture_stalls_total", "Times the shared ring was full"),
      mirror(
        RingSlot.COPY_COUNT,
        "shrike_capture_copies_total",
        "Times a worker moved records to the shared ring",
      ),
      mirror(
        RingSlot.SWITCH_COUNT,
        "shrike_capture_wakeup_switches_total",
        "Changes between the two ways to be woken",
      ),
    ];
  }

  /** poll(2) of the worker said that the CPU's event is dead. */
  get hungUp(): boolean {
    return Atomics.load(this.#ring.slots, RingSlot.HUNG_UP) === 1;
  }

  /** Whether the shared ring was full at any time since the last call. */
  takeStalled(): boolean {
    const stalls = Atomics.load(this.#ring.slots, RingSlot.STALL_COUNT);
    const stalled = stalls !== this.#seenStalls ||
      Atomics.load(this.#ring.slots, RingSlot.STALLED) === 1;
    this.#seenStalls = stalls;
    return stalled;
  }

  /** What a worker needs to serve the lane. */
  grant(): RingGrant {
    const { cpu, address, mappedSize, pageSize, watermarkFd, eachFd } = this.perf;
    const retired = this.retired;
    return {
      cpu,
      address,
      mappedSize,
      pageSize,
      watermarkFd,
      eachFd,
      shared: this.#memory,
      retired,
    };
  }

  /** The CPU is gone: nothing is added, the reader ends with the last record. */
  retire(): void {
    this.retired = true;
    this.reader.retire();
  }

  /** Brings the counters to what the worker wrote into the ring's header. */
  syncCounters(): void {
    for (const mirror of this.#mirrors) mirror.sync();
  }

  /**
   * Unmaps the kernel's ring; what is in the shared ring can still be read. No worker may serve
   * the lane any more. Safe to call twice.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.syncCounters();
    this.reader.unmap();
    this.perf[Symbol.dispose]();
  }
}

/** Losses the kernel reported for a CPU, whichever rings it had. */
export function kernelLostCounter(counters: Counters, cpu: number): Counter {
  return counter(
    counters,
    "shrike_capture_kernel_lost_total",
    "Records the kernel had no room for",
    cpu,
  );
}

function counter(counters: Counters, name: string, help: string, cpu: number): Counter {
  return counters.counter(name, help, { cpu: `${cpu}` });
}

/** Adds to a counter what a slot of the ring's header grew by. */
class CounterMirror {
  readonly #ring: SharedRing;
  readonly #slot: number;
  readonly #counter: Counter;
  #seen = 0;

  constructor(ring: SharedRing, slot: number, counter: Counter) {
    this.#ring = ring;
    this.#slot = slot;
    this.#counter = counter;
  }

  sync(): void {
    const now = Atomics.load(this.#ring.slots, this.#slot);
    this.#counter.value += (now - this.#seen) >>> 0;
    this.#seen = now;
  }
}
