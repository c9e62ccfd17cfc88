/**
 * All workers of a pool: which serves which CPUs, and what happens when one dies.
 *
 * @module
 */
import type { Counter } from "../telemetry/mod.ts";
import type { RingGrant } from "./capture_messages.ts";
import type { CaptureSystem } from "./capture_system.ts";
import { RestartBudget } from "./restart_budget.ts";
import { type WorkerEndpoint, WorkerError, WorkerHandle } from "./worker_handle.ts";

/** What a crew stands on. */
export interface WorkerCrewOptions {
  readonly system: CaptureSystem;
  readonly spawn: () => WorkerEndpoint;
  readonly libbpfPath: string;
  readonly recordsMapFd: number;
  readonly doorbell: SharedArrayBuffer;
  /** Workers at most. */
  readonly limit: number;
  /** Counts workers that died. */
  readonly restarts: Counter;
  /** The rings of these CPUs as they are now. */
  grants(cpus: readonly number[]): readonly RingGrant[];
  /** Runs a step when no other change is under way. */
  serialize(step: () => Promise<void>): void;
  onRestart(error: WorkerError): void;
  /** There will be no further try. */
  onFailure(error: Error): void;
}

/** Its methods must not run at the same time; the pool sees to that. */
export class WorkerCrew {
  readonly #options: WorkerCrewOptions;
  readonly #budget = new RestartBudget();
  #workers: WorkerHandle[] = [];
  #running = false;

  constructor(options: WorkerCrewOptions) {
    this.#options = options;
  }

  /** Starts a worker per group. @throws {WorkerError} one fails; `end()` ends the others. */
  async start(groups: readonly (readonly number[])[]): Promise<void> {
    const handles = groups.map((group) => this.#spawn(group));
    const starts = await Promise.allSettled(handles.map((handle) => this.#launch(handle)));
    const failed = starts.find((start) => start.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    this.#running = true;
  }

  /** Finds a worker for a new CPU: a new one below the limit, else the one with the fewest. */
  async employ(cpu: number): Promise<void> {
    const least = this.#workers.toSorted((a, b) => a.cpus.length - b.cpus.length)[0];
    if (least === undefined || this.#workers.length < this.#options.limit) {
      const handle = this.#spawn([cpu]);
      return await this.#orReplace(handle, () => this.#launch(handle));
    }
    await this.#assign(least, [...least.cpus, cpu]);
  }

  /** Gives the worker of `cpu` its rings anew, because what they grant has changed. */
  async refresh(cpu: number): Promise<void> {
    const handle = this.#workerOf(cpu);
    if (handle !== undefined) await this.#assign(handle, handle.cpus);
  }

  /**
   * Takes a CPU from its worker; one that has none left is ended. The CPU's ring is not touched any
   * more afterwards.
   *
   * @throws {WorkerError} its thread does not end.
   */
  async release(cpu: number): Promise<void> {
    const handle = this.#workerOf(cpu);
    if (handle === undefined) return;
    const rest = handle.cpus.filter((other) => other !== cpu);
    if (rest.length > 0) return await this.#assign(handle, rest);
    if (!await endWorker(handle)) throw new WorkerError(handle.cpus, "its thread does not end");
    this.#remove(handle);
  }

  /** Looks for dead workers; to be called about twice a second. */
  look(): void {
    for (const worker of this.#workers) worker.look();
  }

  /** Ends all. @returns whether all threads have ended, so that nobody touches the rings. */
  async end(): Promise<boolean> {
    this.#running = false;
    const ended = await Promise.all(this.#workers.map(endWorker));
    return ended.every((end) => end);
  }

  /** A new worker for these CPUs. It is listed at once: whatever fails later, `end()` ends it. */
  #spawn(cpus: readonly number[]): WorkerHandle {
    const handle = new WorkerHandle({
      system: this.#options.system,
      endpoint: this.#options.spawn(),
      onDeath: (dead, error) => this.#options.serialize(() => this.#replace(dead, error)),
    });
    handle.cpus = cpus;
    this.#workers.push(handle);
    return handle;
  }

  /** Lets it work; it sets the CPUs' slots of the records map. @throws {WorkerError} */
  async #launch(handle: WorkerHandle): Promise<void> {
    const { libbpfPath, recordsMapFd, doorbell } = this.#options;
    await handle.start(libbpfPath, recordsMapFd, doorbell);
    await handle.assign(this.#options.grants(handle.cpus));
  }

  async #assign(handle: WorkerHandle, cpus: readonly number[]): Promise<void> {
    handle.cpus = cpus;
    await this.#orReplace(handle, () => handle.assign(this.#options.grants(cpus)));
  }

  async #orReplace(handle: WorkerHandle, order: () => Promise<void>): Promise<void> {
    try {
      await order();
    } catch (error) {
      if (!(error instanceof WorkerError)) throw error;
      await this.#replace(handle, error);
    }
  }

  /**
   * Puts a new worker on a dead one's rings. They are the kernel's and the pool's, so nothing that
   * is in them is lost.
   */
  async #replace(dead: WorkerHandle, cause: WorkerError): Promise<void> {
    let error = cause;
    let handle = dead;
    const { cpus } = dead;
    // A change that was waiting in front of this one may have met the dead worker already.
    while (this.#running && this.#workers.includes(handle)) {
      this.#options.restarts.value++;
      // Two threads on one ring would destroy it, so a thread that stays is the end.
      if (!await handle.end()) {
        return this.#fail(new WorkerError(cpus, `${error.message}; its thread does not end`));
      }
      this.#remove(handle);
      if (!this.#budget.spend(this.#options.system.nowMs())) return this.#fail(error);
      handle = this.#spawn(cpus);
      try {
        await this.#launch(handle);
        return this.#options.onRestart(error);
      } catch (failure) {
        if (!(failure instanceof WorkerError)) throw failure;
        error = failure;
      }
    }
  }

  #fail(error: WorkerError): void {
    this.#running = false;
    this.#options.onFailure(error);
  }

  #workerOf(cpu: number): WorkerHandle | undefined {
    return this.#workers.find((worker) => worker.cpus.includes(cpu));
  }

  #remove(handle: WorkerHandle): void {
    this.#workers = this.#workers.filter((worker) => worker !== handle);
  }
}

/** @returns whether its thread has ended. */
async function endWorker(handle: WorkerHandle): Promise<boolean> {
  try {
    await handle.stop();
  } catch (error) {
    if (!(error instanceof WorkerError)) throw error;
  }
  return await handle.end();
}
