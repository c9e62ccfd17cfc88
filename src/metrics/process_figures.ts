/**
 * Figures of the process, in the names that Prometheus recommends, and of the runtime in it.
 *
 * @module
 */
import type { Sample } from "../telemetry/mod.ts";
import { counter, gauge } from "./sample.ts";

/** Where figures are read; tests have files of their own. */
export interface ProcessFiles {
  /** @throws {Error} there is no such file */
  readText(path: string): string;
  /** Entries of a directory. */
  count(path: string): number;
}

const HOST_FILES: ProcessFiles = {
  readText: (path) => Deno.readTextFileSync(path),
  count: (path) => [...Deno.readDirSync(path)].length,
};

/** USER_HZ: the same on all Linux architectures that Deno has. */
const TICKS_PER_SECOND = 100;
/** Positions after the name in /proc/PID/stat, proc(5). */
const [USER_TICKS, SYSTEM_TICKS, THREADS, START_TICKS, VIRTUAL_SIZE] = [11, 12, 17, 19, 20];

/** Figures of this process, all threads together. */
export class ProcessFigures {
  readonly name = "process";
  readonly #files: ProcessFiles;
  #startSeconds: number | undefined;

  constructor(files: ProcessFiles = HOST_FILES) {
    this.#files = files;
  }

  *collect(): Generator<Sample> {
    const stat = this.#files.readText("/proc/self/stat");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
    yield counter(
      "process_cpu_seconds_total",
      "CPU time of the agent, user and system",
      (fields[USER_TICKS]! + fields[SYSTEM_TICKS]!) / TICKS_PER_SECOND,
    );
    yield gauge("process_threads", "Threads of the agent", fields[THREADS]!);
    yield gauge(
      "process_virtual_memory_bytes",
      "Virtual memory of the agent",
      fields[VIRTUAL_SIZE]!,
    );
    yield gauge(
      "process_resident_memory_bytes",
      "Resident memory of the agent",
      // Of stat(5) it may be off by some pages per thread.
      kilobytes(this.#files.readText("/proc/self/status"), "VmRSS") * 1024,
    );
    yield gauge(
      "process_start_time_seconds",
      "Start of the agent, seconds since the epoch",
      this.#startSeconds ??= this.#startOf(fields[START_TICKS]!),
    );
    yield gauge("process_open_fds", "Open file descriptors", this.#files.count("/proc/self/fd"));
    const limit = /^Max open files +(\d+)/m.exec(this.#files.readText("/proc/self/limits"))?.[1];
    yield gauge("process_max_fds", "File descriptors at most", Number(limit ?? Number.NaN));
    yield* runtimeFigures();
  }

  #startOf(ticks: number): number {
    const boot = /^btime (\d+)/m.exec(this.#files.readText("/proc/stat"))?.[1];
    return Number(boot ?? Number.NaN) + ticks / TICKS_PER_SECOND;
  }
}

function* runtimeFigures(): Generator<Sample> {
  const { heapUsed, heapTotal, external } = Deno.memoryUsage();
  yield gauge("deno_memory_heap_used_bytes", "Memory of JavaScript objects", heapUsed);
  yield gauge("deno_memory_heap_size_bytes", "Memory set aside for JavaScript objects", heapTotal);
  yield gauge("deno_memory_external_bytes", "Memory of buffers outside the heap", external);
}

function kilobytes(status: string, key: string): number {
  return Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN);
}
