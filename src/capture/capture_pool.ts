/**
 * Starts, watches, restarts and stops the capture workers, and is what the pipeline reads from.
 *
 * @module
 */
import type { Clock, Counters, LossLedger } from "../telemetry/mod.ts";
import { type CaptureSystem, LinuxCaptureSystem } from "./capture_system.ts";
import { groupCpus, workerLimit } from "./cpu_groups.ts";
import { Doorbell } from "./doorbell.ts";
import { kernelLostCounter, Lane } from "./lane.ts";
import { RingOpenError } from "./perf_ring.ts";
import type { RecordRing, RecordSource } from "./record_source.ts";
import { WorkerCrew } from "./worker_crew.ts";
import type { WorkerEndpoint, WorkerError } from "./worker_handle.ts";

/** Pages of a perf ring: 1 MiB, 16 records of the largest size or 5,000 of 200 bytes. */
const RING_PAGES = 256;

/** The main thread may pause (garbage collection, a slow sink): the same again as the perf ring. */
const SHARED_RING_SIZE = 1 << 20;

/** Half a second: heartbeats, counters, overdue waits. */
const LOOK_INTERVAL_MS = 500;

/**
 * V8 keeps the timer of an Atomics.waitAsync() that was notified until it would have fired (about
 * 500 bytes each): this bounds how many there are.
 */
const WAIT_MAX_MS = 200;

/** What happened to the pool, for log and agent. */
export type CaptureEvent =
  | { readonly type: "worker_restarted"; readonly error: WorkerError }
  /** No more records come: the agent should end. */
  | { readonly type: "failed"; readonly error: Error }
  | { readonly type: "cpu_added" | "cpu_removed"; readonly cpu: number }
  /** A CPU is online but has no ring; tried again at the next `checkCpus()`. */
  | { readonly type: "cpu_left_out"; readonly error: RingOpenError }
  /** The kernel granted less than was asked for; bytes. */
  | {
    readonly type: "ring_smaller";
    readonly cpu: number;
    readonly askedSize: number;
    readonly size: number;
  };

/** Settings and neighbours of a pool. */
export interface CapturePoolOptions {
  /** What workers dlopen. */
  readonly libbpfPath: string;
  /** Module URL of the worker entry. */
  readonly workerUrl: string;
  /** The BPF programs' PERF_EVENT_ARRAY, indexed by CPU. */
  readonly recordsMapFd: number;
  /** CPUs that are online now. */
  readonly cpus: () => readonly number[];
  /** "auto": one per CPU, up to 16. */
  readonly workers?: number | "auto";
  /** Pages per perf ring, a power of two. */
  readonly ringPages?: number;
  /** Data area of a shared ring, bytes, a power of two of at least 128 KiB. */
  readonly sharedRingSize?: number;
  readonly counters: Counters;
  readonly losses: LossLedger;
  readonly clock: Clock;
  readonly onEvent?: (event: CaptureEvent) => void;
  /** For tests. */
  readonly system?: CaptureSystem;
  readonly spawn?: (url: string) => WorkerEndpoint;
}

/** One per agent, on the main thread. */
export class CapturePool implements RecordSource {
  rings: readonly RecordRing[] = [];
  readonly #options: CapturePoolOptions;
  readonly #system: CaptureSystem;
  readonly #workerLimit: number;
  readonly #doorbell = new Doorbell();
  readonly #crew: WorkerCrew;
  #lanes: Lane[] = [];
  /** Changes run one after the other; this is the end of the last. */
  #lastChange: Promise<void> = Promise.resolve();
  #lookTimer: ReturnType<typeof setInterval> | undefined;
  #waitEndsMs = Infinity;
  #state: "new" | "running" | "failed" | "stopped" = "new";

  /** @throws {RangeError | LibraryError} a setting is out of range, or the library unusable. */
  constructor(options: CapturePoolOptions) {
    this.#options = options;
    this.#workerLimit = workerLimit(options.workers ?? "auto");
    this.#system = options.system ??
      new LinuxCaptureSystem(options.libbpfPath, options.recordsMapFd);
    this.#crew = this.#makeCrew();
  }

  /**
   * Opens the rings, starts the workers and points the records map at them.
   *
   * @throws {RingOpenError | WorkerError} no CPU has a ring, or a worker does not start; all that
   * was opened is closed then.
   */
  start(): Promise<void> {
    return this.#change(async () => {
      const cpus = this.#options.cpus();
      try {
        const errors = cpus.map((cpu) => this.#openLane(cpu));
        const error = errors.find((error) => error !== null);
        if (this.#lanes.length === 0 && error != null) throw error;
        const groups = groupCpus(this.#lanes.map((lane) => lane.cpu), this.#workerLimit);
        await this.#crew.start(groups);
        this.#state = "running";
      } catch (error) {
        await this.#close();
        throw error;
      }
      this.#lookTimer = setInterval(() => this.#look(), LOOK_INTERVAL_MS);
      this.#publishRings();
    });
  }

  /**
   * Ends workers and unmaps rings. What the shared rings hold can still be read. Detach the
   * programs before: what they write after the workers' last look is lost and not counted.
   */
  stop(): Promise<void> {
    return this.#change(async () => {
      if (this.#state === "stopped") return;
      await this.#close();
    });
  }

  /** Takes in CPUs that came and takes out CPUs that went. To be called about once a second. */
  checkCpus(): Promise<void> {
    return this.#change(async () => {
      if (this.#state !== "running") return;
      try {
        await this.#followCpus(this.#options.cpus());
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  async wait(timeoutMs: number): Promise<void> {
    const waitMs = Math.min(timeoutMs, WAIT_MAX_MS);
    this.#waitEndsMs = this.#system.nowMs() + waitMs;
    await this.#doorbell.wait(waitMs, () => this.#hasNews());
    this.#waitEndsMs = Infinity;
  }

  wake(): void {
    this.#doorbell.wake();
  }

  /** Records the kernel said it lost on a CPU since the agent started. */
  kernelLost(cpu: number): number {
    return kernelLostCounter(this.#options.counters, cpu).value;
  }

  /** Whether the shared ring of a CPU was full at any time since the last call for that CPU. */
  wasStalled(cpu: number): boolean {
    const lane = this.#lanes.find((lane) => lane.cpu === cpu);
    return lane !== undefined && lane.takeStalled();
  }

  #makeCrew(): WorkerCrew {
    const { counters, libbpfPath, recordsMapFd, workerUrl, spawn = spawnWorker } = this.#options;
    const restarts = counters.counter(
      "shrike_capture_worker_restarts_total",
      "Capture workers that died and were replaced",
    );
    return new WorkerCrew({
      system: this.#system,
      spawn: () => spawn(workerUrl),
      libbpfPath,
      recordsMapFd,
      doorbell: this.#doorbell.memory,
      limit: this.#workerLimit,
      restarts,
      grants: (cpus) =>
        this.#lanes.filter((lane) => cpus.includes(lane.cpu)).map((lane) => lane.grant()),
      serialize: (step) => void this.#change(step).catch((error) => this.#fail(error)),
      onRestart: (error) => this.#emit({ type: "worker_restarted", error }),
      onFailure: (error) => this.#fail(error),
    });
  }

  /** @returns the error when the CPU has no ring. */
  #openLane(cpu: number): RingOpenError | null {
    const pages = this.#options.ringPages ?? RING_PAGES;
    let perf;
    try {
      perf = this.#system.openRing(cpu, pages);
    } catch (error) {
      if (!(error instanceof RingOpenError)) throw error;
      this.#emit({ type: "cpu_left_out", error });
      return error;
    }
    const askedSize = pages * perf.pageSize;
    if (perf.size < askedSize) {
      this.#emit({ type: "ring_smaller", cpu, askedSize, size: perf.size });
    }
    const sharedRingSize = this.#options.sharedRingSize ?? SHARED_RING_SIZE;
    this.#lanes.push(new Lane(perf, { ...this.#options, sharedRingSize }));
    return null;
  }

  async #followCpus(online: readonly number[]): Promise<void> {
    for (const lane of this.#lanes) {
      const gone = !online.includes(lane.cpu) || lane.hungUp || !lane.perf.isAlive();
      if (gone && !lane.retired) await this.#retireLane(lane);
    }
    for (const lane of [...this.#lanes]) {
      if (lane.reader.ended) await this.#dropLane(lane);
    }
    for (const cpu of online) {
      // A CPU that comes back gets its ring when the old one has been read to the end.
      if (this.#lanes.some((lane) => lane.cpu === cpu)) continue;
      if (this.#openLane(cpu) !== null) continue;
      await this.#crew.employ(cpu);
      this.#emit({ type: "cpu_added", cpu });
    }
    this.#publishRings();
  }

  async #retireLane(lane: Lane): Promise<void> {
    lane.retire();
    // First the worker, so that it does not set the slot again.
    await this.#crew.refresh(lane.cpu);
    this.#system.clearRecordsSlot(lane.cpu);
    this.#emit({ type: "cpu_removed", cpu: lane.cpu });
  }

  async #dropLane(lane: Lane): Promise<void> {
    await this.#crew.release(lane.cpu);
    this.#lanes = this.#lanes.filter((other) => other !== lane);
    lane.close();
  }

  async #close(): Promise<void> {
    this.#state = "stopped";
    clearInterval(this.#lookTimer);
    const ended = await this.#crew.end();
    try {
      // After the workers: they would set the slots again.
      for (const lane of this.#lanes) if (!lane.retired) this.#system.clearRecordsSlot(lane.cpu);
    } finally {
      // A thread that did not end may still look at the rings: they stay as long as the process.
      if (ended) { for (const lane of this.#lanes) lane.close(); }
      this.#system[Symbol.dispose]();
      this.wake();
    }
  }

  #fail(error: unknown): void {
    if (this.#state !== "running") return;
    this.#state = "failed";
    const reason = error instanceof Error ? error : new Error(String(error));
    this.#emit({ type: "failed", error: reason });
    this.wake();
  }

  #look(): void {
    this.#crew.look();
    for (const lane of this.#lanes) lane.syncCounters();
    // Atomics.waitAsync() has its own timer; one that was lost must not stop the agent for ever.
    if (this.#system.nowMs() > this.#waitEndsMs + LOOK_INTERVAL_MS) this.wake();
  }

  #hasNews(): boolean {
    let news = false;
    for (const lane of this.#lanes) news = lane.reader.takeNews() || news;
    return news;
  }

  #publishRings(): void {
    this.rings = this.#lanes.map((lane) => lane.reader);
  }

  #emit(event: CaptureEvent): void {
    this.#options.onEvent?.(event);
  }

  #change(step: () => Promise<void>): Promise<void> {
    const change = this.#lastChange.then(step);
    this.#lastChange = change.catch(() => {});
    return change;
  }
}

function spawnWorker(url: string): WorkerEndpoint {
  return new Worker(url, { type: "module", name: "capture" });
}
