/**
 * A machine for the capture pool: rings in plain memory, workers that run on this thread, a clock
 * that tests move, and faults at will.
 *
 * @module
 */
import { CallError } from "../../ffi/mod.ts";
import type {
  FromCaptureWorker,
  RingGrant,
  ToCaptureWorker,
} from "../../src/capture/capture_messages.ts";
import type { CaptureSystem } from "../../src/capture/capture_system.ts";
import type { CpuRing } from "../../src/capture/cpu_ring.ts";
import { RingOpenError } from "../../src/capture/perf_ring.ts";
import { RingWriter } from "../../src/capture/ring_writer.ts";
import { SharedRing } from "../../src/capture/shared_ring.ts";
import type { WorkerEndpoint } from "../../src/capture/worker_handle.ts";
import { FAKE_PAGE_SIZE, FakePerfRing } from "./fake_perf_ring.ts";

/** A perf ring of the fake machine. */
export class FakeCpuRing implements CpuRing {
  readonly kernel: FakePerfRing;
  readonly pageSize = FAKE_PAGE_SIZE;
  readonly mappedSize: number;
  alive = true;
  closed = false;

  constructor(readonly cpu: number, readonly address: bigint, readonly size: number) {
    this.kernel = new FakePerfRing(size);
    this.mappedSize = size + FAKE_PAGE_SIZE;
  }

  get watermarkFd(): number {
    return 1000 + this.cpu;
  }

  get eachFd(): number {
    return 2000 + this.cpu;
  }

  head(): number {
    if (this.closed) throw new Error("head of an unmapped ring");
    return this.kernel.perf.head;
  }

  isAlive(): boolean {
    return this.alive;
  }

  [Symbol.dispose](): void {
    if (this.closed) throw new Error("ring closed twice");
    this.closed = true;
  }
}

/** A worker of the fake machine; does on `work()` what the thread would do in its loop. */
export class FakeWorker implements WorkerEndpoint {
  onmessage: ((event: MessageEvent) => void) | null = null;
  onerror: ((event: ErrorEvent) => void) | null = null;
  /** Orders it does not answer. */
  deafTo: ToCaptureWorker["type"] | null = null;
  /** Orders it fails at. */
  failsAt: ToCaptureWorker["type"] | null = null;
  grants: readonly RingGrant[] = [];
  running = true;
  readonly #lanes: RingWriter[] = [];
  #control: Int32Array | null = null;

  constructor(readonly machine: FakeMachine, readonly threadId: number) {}

  get cpus(): number[] {
    return this.grants.map((grant) => grant.cpu);
  }

  postMessage(message: ToCaptureWorker): void {
    if (!this.running || this.deafTo === message.type) return;
    if (this.failsAt === message.type) {
      const error = { name: "LibcError", message: "broken", hint: "mend it", stack: "" };
      return this.#answer({ type: "failed", error });
    }
    switch (message.type) {
      case "start":
        this.#control = new Int32Array(message.control);
        return this.#answer({ type: "ready", threadId: this.threadId });
      case "assign":
        this.#take(message.rings);
        return this.#answer({ type: "assigned", cpus: this.cpus });
      case "stop":
        this.work();
        this.running = false;
        return this.#answer({ type: "stopped" });
    }
  }

  terminate(): void {
    this.running = false;
  }

  /** One round of the loop. */
  work(): void {
    if (!this.running) return;
    for (const lane of this.#lanes) lane.drain();
    if (this.#control !== null) this.#control[16]!++;
  }

  /** Ends as by an exception that nobody caught. */
  crash(message: string): void {
    this.running = false;
    this.onerror?.(new ErrorEvent("error", { message, cancelable: true }));
  }

  #take(grants: readonly RingGrant[]): void {
    this.grants = grants;
    this.#lanes.length = 0;
    for (const grant of grants) {
      const ring = this.machine.ringAt(grant.address);
      this.#lanes.push(new RingWriter(new SharedRing(grant.shared), ring.kernel.perf));
      if (!grant.retired) this.machine.slots.set(grant.cpu, grant.eachFd);
    }
  }

  #answer(message: FromCaptureWorker): void {
    queueMicrotask(() => this.onmessage?.(new MessageEvent("message", { data: message })));
  }
}

/** The system seam of the pool. */
export class FakeMachine implements CaptureSystem {
  /** What the records map holds: CPU to event. */
  readonly slots = new Map<number, number>();
  readonly rings: FakeCpuRing[] = [];
  readonly workers: FakeWorker[] = [];
  readonly eventfds = new Set<number>();
  /** CPUs whose ring cannot be opened. */
  readonly refused = new Set<number>();
  /** Pages the kernel grants at most. */
  pagesMax = Infinity;
  /** Threads that stay although their worker was terminated. */
  readonly immortal = new Set<number>();
  /** Called with each new worker, to make it misbehave. */
  prepare: (worker: FakeWorker) => void = () => {};
  time = 0;
  disposed = false;
  #next = 100;

  readonly spawn = (): FakeWorker => {
    const worker = new FakeWorker(this, this.#next++);
    this.workers.push(worker);
    this.prepare(worker);
    return worker;
  };

  /** Workers that have not ended. */
  get living(): FakeWorker[] {
    return this.workers.filter((worker) => worker.running);
  }

  /** The open ring of a CPU. */
  ring(cpu: number): FakeCpuRing {
    const ring = this.rings.findLast((ring) => ring.cpu === cpu && !ring.closed);
    if (ring === undefined) throw new Error(`CPU ${cpu} has no ring`);
    return ring;
  }

  ringAt(address: bigint): FakeCpuRing {
    return this.rings[Number(address) - 1]!;
  }

  openRing(cpu: number, pages: number): CpuRing {
    if (this.refused.has(cpu)) {
      const attempt = { operation: "perf_event_open", action: "open", object: `${cpu}` };
      throw new RingOpenError(cpu, new CallError(attempt, 19));
    }
    const size = Math.min(pages, this.pagesMax) * FAKE_PAGE_SIZE;
    const ring = new FakeCpuRing(cpu, BigInt(this.rings.length + 1), size);
    this.rings.push(ring);
    return ring;
  }

  setRecordsSlot(cpu: number, eventFd: number): void {
    this.slots.set(cpu, eventFd);
  }

  clearRecordsSlot(cpu: number): void {
    this.slots.delete(cpu);
  }

  openEventfd(): number {
    this.eventfds.add(this.#next);
    return this.#next++;
  }

  signalEventfd(fd: number): void {
    if (!this.eventfds.has(fd)) throw new Error(`eventfd ${fd} is not open`);
  }

  close(fd: number): void {
    if (!this.eventfds.delete(fd)) throw new Error(`eventfd ${fd} is not open`);
  }

  threadExists(threadId: number): boolean {
    if (this.immortal.has(threadId)) return true;
    return this.workers.some((worker) => worker.threadId === threadId && worker.running);
  }

  nowMs(): number {
    return this.time;
  }

  sleep(ms: number): Promise<void> {
    this.time += ms;
    return Promise.resolve();
  }

  [Symbol.dispose](): void {
    this.disposed = true;
  }
}
