/**
 * Reads the generator's records with a capture worker and prints what that cost as one line of
 * JSON. The counterpart of scripts/bench/programs/consumer.c, with the same arguments; a program of
 * `deno task bench capture`.
 *
 *     deno run -A tests/bench/capture_reader.ts OBJECT PID RECORDS_PER_CALL RING_PAGES CPU \
 *       WARM_UP_MS MEASURE_MS
 *
 * The main thread takes every record and looks at its time, as the pipeline's merge does. Its own
 * CPU time is told apart from the worker's.
 *
 * @module
 */
import { type BpfObject, ClockId, openLibbpf, openLibc } from "../../ffi/mod.ts";
import { CapturePool } from "../../src/capture/mod.ts";
import { openPayload } from "../../src/loader/mod.ts";
import { Counters, LossLedger, SystemClock } from "../../src/telemetry/mod.ts";
import { RecordView } from "../../src/wire/mod.ts";

/**
 * Longest sleep of the main thread; its look at the clock bounds the error of the measured time.
 */
const WAIT_MS = 5;
/** The main thread looks at the clock every so many records. */
const CLOCK_EVERY = 4096;

interface Wanted {
  readonly object: string;
  readonly pid: number;
  readonly recordsPerCall: number;
  readonly ringPages: number;
  readonly cpu: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** Counts and thread times at one moment. */
interface Reading {
  readonly atMs: number;
  readonly records: number;
  readonly lost: number;
  readonly workerCpuNs: number;
  readonly mainCpuNs: number;
}

async function main(args: readonly string[]): Promise<void> {
  const [object = "", ...numbers] = args;
  const [pid, recordsPerCall, ringPages, cpu, warmUpMs, measureMs] = numbers.map(Number);
  if (!pid || !recordsPerCall || !ringPages || cpu === undefined || !warmUpMs || !measureMs) {
    console.error(
      "usage: capture_reader.ts OBJECT PID RECORDS_PER_CALL RING_PAGES CPU WARM_UP_MS MEASURE_MS",
    );
    Deno.exit(2);
  }
  await measure({ object, pid, recordsPerCall, ringPages, cpu, warmUpMs, measureMs });
}

async function measure(wanted: Wanted): Promise<void> {
  const libc = openLibc();
  const payload = openPayload();
  const libbpf = openLibbpf(payload.libbpfPath());
  using generator = libbpf.openObject(await Deno.readFile(wanted.object), "generator");
  generator.load();
  const before = threadIds();
  const pool = new CapturePool({
    libbpfPath: payload.libbpfPath(),
    workerUrl: payload.workerUrl(),
    recordsMapFd: generator.map("records").fd,
    cpus: () => [wanted.cpu],
    workers: 1,
    ringPages: wanted.ringPages,
    counters: new Counters(),
    losses: new LossLedger(),
    clock: new SystemClock((clock) => libc.clockGettimeNs(ClockId[clock])),
  });
  await pool.start();
  const started = threadIds().filter((id) => !before.includes(id));
  using _link = generator.program("on_sys_enter").attach();
  control(generator, wanted.pid, wanted.recordsPerCall);

  const reader = new Reader(pool, wanted.cpu, started);
  await reader.readFor(wanted.warmUpMs);
  const from = reader.reading();
  await reader.readFor(wanted.measureMs);
  const to = reader.reading();
  control(generator, 0, 0);
  await pool.stop();
  const records = to.records - from.records;
  console.log(JSON.stringify({
    records,
    lost: to.lost - from.lost,
    wallNs: (to.atMs - from.atMs) * 1e6,
    readerCpuNs: to.workerCpuNs - from.workerCpuNs,
    mainCpuNs: to.mainCpuNs - from.mainCpuNs,
  }));
}

/** The main thread's side. */
class Reader {
  readonly #pool: CapturePool;
  readonly #cpu: number;
  readonly #startedThreads: readonly number[];
  readonly #view = new RecordView();
  #records = 0;
  #youngest = 0;

  constructor(pool: CapturePool, cpu: number, startedThreads: readonly number[]) {
    this.#pool = pool;
    this.#cpu = cpu;
    this.#startedThreads = startedThreads;
  }

  async readFor(durationMs: number): Promise<void> {
    const endMs = performance.now() + durationMs;
    while (performance.now() < endMs) {
      // Like the pipeline: waits only when there is nothing left.
      if (!this.#takeSome()) await this.#pool.wait(WAIT_MS);
    }
  }

  reading(): Reading {
    const workerCpuNs = Math.max(...this.#startedThreads.map(threadCpuNs));
    return {
      atMs: performance.now(),
      records: this.#records,
      lost: this.#pool.kernelLost(this.#cpu),
      workerCpuNs,
      mainCpuNs: threadCpuNs(Deno.pid),
    };
  }

  /** Takes a round of records; true when there are more. */
  #takeSome(): boolean {
    let taken = 0;
    for (const ring of this.#pool.rings) {
      while (taken < CLOCK_EVERY && ring.peek(this.#view)) {
        this.#youngest = Math.max(this.#youngest, this.#view.order);
        ring.take();
        taken++;
      }
    }
    this.#records += taken;
    return taken === CLOCK_EVERY;
  }
}

function control(generator: BpfObject, tgid: number, recordsPerCall: number): void {
  const value = new Uint8Array(new Uint32Array([tgid, recordsPerCall]).buffer);
  generator.map("control").update(new Uint8Array(4), value);
}

function threadIds(): number[] {
  return [...Deno.readDirSync("/proc/self/task")].map((entry) => Number(entry.name));
}

/** First number of schedstat: time on a CPU, ns. */
function threadCpuNs(id: number): number {
  return Number(Deno.readTextFileSync(`/proc/self/task/${id}/schedstat`).split(" ")[0]);
}

await main(Deno.args);
