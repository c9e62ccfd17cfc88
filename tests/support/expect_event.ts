/**
 * The process sensor in the running kernel, and what it says about the processes of a test.
 *
 * @module
 */
import { type Libbpf, type Libc, openLibbpf, openLibc } from "../../ffi/mod.ts";
import type {
  KernelFact,
  ProcessExecuted,
  ProcessExited,
  ProcessForked,
} from "../../src/events/mod.ts";
import {
  type LoadedSensors,
  loadSensors,
  type MapEntries,
  openPayload,
} from "../../src/loader/mod.ts";
import { SENSORS, type SensorSettings } from "../../src/sensors/mod.ts";
import { RECORD_HEADER_SIZE, RecordHeaderOffset, RecordView } from "../../src/wire/mod.ts";
import { PerfReader } from "./perf_reader.ts";
import { release, takeShared } from "./shared_bench.ts";
import { runWorkload, type WorkloadOptions, type WorkloadResult } from "./workload.ts";

/** Between two looks at the rings while a workload runs. */
const LOOK_MS = 2;
/** A guest under emulation is slow; a test that waits this long has failed. */
const DEADLINE_MS = 60_000;

/** What was recorded of one workload and its descendants, in time order. */
export interface Recording extends WorkloadResult {
  readonly forks: readonly ProcessForked[];
  readonly execs: readonly ProcessExecuted[];
  readonly exits: readonly ProcessExited[];
  readonly facts: readonly KernelFact[];
}

/** What a recorder is told beside the settings of the process sensor. */
export interface RecorderSettings {
  readonly cgroup?: SensorSettings;
  /** Settings of the network sensor, which is loaded with them only. */
  readonly network?: SensorSettings;
  /** Settings of the signal sensor, which is loaded with them only. */
  readonly signal?: SensorSettings;
  readonly mapEntries?: MapEntries;
}

/** Loads and attaches all sensors; collects facts of the whole host. */
export class SensorRecorder {
  /** A recorder that other tests use, too; nobody else has it at the same time. */
  static shared(settings: SensorSettings = {}, more: RecorderSettings = {}): SensorRecorder {
    const key = `SensorRecorder ${JSON.stringify([settings, more])}`;
    return takeShared(key, () => new SensorRecorder(settings, more, false));
  }

  readonly sensors: LoadedSensors;
  readonly #libbpf: Libbpf;
  readonly #libc: Libc;
  readonly #reader: PerfReader;
  readonly #decoders = new Map(
    SENSORS.flatMap((sensor) => sensor.decoders.map((decoder) => [decoder.kind, decoder])),
  );
  readonly #facts: KernelFact[] = [];
  /** The records of `#facts`, as they came. */
  readonly #records = new Map<KernelFact, Uint8Array<ArrayBuffer>>();

  /** Records that were lost before this test. */
  #lostBefore = 0;

  /**
   * @param more settings of the cgroup sensor, part of which all sensors get, and sizes of maps
   * @param starts false: loads only
   */
  constructor(settings: SensorSettings = {}, more: RecorderSettings = {}, starts = true) {
    const { cgroup = {}, network, signal, mapEntries = {} } = more;
    const payload = openPayload();
    this.#libc = openLibc();
    this.#libbpf = openLibbpf(payload.libbpfPath());
    this.sensors = loadSensors({
      libbpf: this.#libbpf,
      payload,
      sensors: SENSORS.filter(({ name }) =>
        (name !== "network" || network !== undefined) &&
        (name !== "signal" || signal !== undefined)
      ),
      settings: {
        ...{ process: { ...cgroup, ...settings }, cgroup },
        ...{ network: { ...cgroup, ...network }, signal: { ...cgroup, ...signal } },
      },
      mapEntries,
      log: { warn: fail, debug: () => {} },
    });
    this.#reader = new PerfReader(this.#libbpf, this.#libc, this.sensors.recordsMapFd);
    if (starts) this.start();
  }

  /** Attaches. */
  start(): void {
    this.take();
    this.#lostBefore = this.#lostEver();
    this.sensors.attach();
  }

  /** Detaches. */
  stop(): void {
    this.sensors.detach();
  }

  /** Runs a workload to its end and returns what was recorded of it. */
  async record(
    program: string,
    args: readonly string[],
    options: WorkloadOptions = {},
  ): Promise<Recording> {
    const run = runWorkload(program, args, options);
    let done = false;
    const settled = run.finally(() => done = true);
    while (!done) {
      await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, LOOK_MS))]);
      this.#drain();
    }
    const result = await run;
    const fork = await this.until((fact) =>
      fact.type === "process_forked" && fact.tgid === result.pid
    );
    await this.until((fact) => fact.type === "process_exited" && keyOf(fact) === keyOf(fork));
    const facts = this.descendants(result.pid);
    return {
      ...result,
      facts,
      forks: facts.filter((fact) => fact.type === "process_forked"),
      execs: facts.filter((fact) => fact.type === "process_executed"),
      exits: facts.filter((fact) => fact.type === "process_exited"),
    };
  }

  /** Waits for a fact, which may be there already; gives the last that came. */
  async until(matches: (fact: KernelFact) => boolean): Promise<KernelFact> {
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      this.#drain();
      const found = this.#facts.findLast(matches);
      if (found !== undefined) return found;
      if (performance.now() > deadline) throw new Error(`No such fact in ${DEADLINE_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Facts about a process and what came from it, in time order. */
  descendants(pid: number): KernelFact[] {
    this.#drain();
    const facts = [...this.#facts].sort((a, b) => a.timeNs < b.timeNs ? -1 : 1);
    const family = new Set([this.#groupOf(pid)]);
    // A child is known by its fork, and that is before all else of it.
    for (const fact of facts) {
      if (fact.type !== "process_forked") continue;
      if (family.has(groupKey(fact.parentTgid, fact.parentStartNs))) family.add(keyOf(fact));
    }
    return facts.filter((fact) => family.has(keyOf(fact)));
  }

  /** The thread group that has `pid` now, or had it last: pids are used again. */
  #groupOf(pid: number): string {
    const own = this.#facts.findLast(({ tgid }) => tgid === pid);
    if (own !== undefined) return keyOf(own);
    const child = this.#facts.findLast((fact) =>
      fact.type === "process_forked" && fact.parentTgid === pid
    );
    return child?.type === "process_forked" ? groupKey(pid, child.parentStartNs) : "";
  }

  /** Everything that has come so far, of the whole host, in time order; empties the list. */
  take(): KernelFact[] {
    this.#drain();
    this.#records.clear();
    return this.#facts.splice(0).sort((a, b) => a.timeNs < b.timeNs ? -1 : 1);
  }

  /** Bytes of the record a fact was made from. */
  recordOf(fact: KernelFact): Uint8Array<ArrayBuffer> {
    const bytes = this.#records.get(fact);
    if (bytes === undefined) throw new Error("This fact is not of this recorder");
    return bytes;
  }

  /** Records lost since the start, by kernel counters and rings. */
  get lost(): number {
    return this.#lostEver() - this.#lostBefore;
  }

  #lostEver(): number {
    let lost = this.#reader.lost;
    for (const kind of this.#decoders.keys()) {
      for (const { counts } of this.sensors.readDrops(kind)) {
        for (const count of counts) lost += count;
      }
    }
    for (const { count } of this.sensors.skippedRuns()) lost += count;
    return lost;
  }

  #drain(): void {
    this.#reader.drain((bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (bytes.length < RECORD_HEADER_SIZE) {
        throw new RangeError(`Record of ${bytes.length} bytes`);
      }
      const record = new RecordView();
      record.set(bytes, view, 0, view.getUint32(RecordHeaderOffset.size, true));
      const decoder = this.#decoders.get(record.kind);
      if (decoder === undefined) throw new RangeError(`Record of unknown kind ${record.kind}`);
      const fact = decoder.decode(record);
      this.#facts.push(fact);
      this.#records.set(fact, bytes.slice(0, record.size));
    });
  }

  [Symbol.dispose](): void {
    void release(this);
  }

  close(): void {
    this.sensors.detach();
    this.#reader[Symbol.dispose]();
    this.sensors[Symbol.dispose]();
    this.#libbpf[Symbol.dispose]();
    this.#libc[Symbol.dispose]();
  }
}

function keyOf({ tgid, leaderStartNs }: KernelFact): string {
  return groupKey(tgid, leaderStartNs);
}

/** Names a thread group for ever, also when its pid is used again. */
function groupKey(tgid: number, startNs: bigint): string {
  return `${tgid}:${startNs}`;
}

/** The only element of a list. */
export function single<T>(items: readonly T[], what = "item"): T {
  const [item] = items;
  if (item === undefined || items.length !== 1) {
    throw new Error(`There are ${items.length} of ${what}, not one`);
  }
  return item;
}

function fail(message: unknown): never {
  throw new Error(`The loader complains: ${message}`);
}
