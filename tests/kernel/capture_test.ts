/**
 * Capture on the running kernel: perf rings, workers and shared rings with records made at will.
 *
 * @module
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { ClockId, onlineCpus, openLibc } from "../../ffi/mod.ts";
import { type CaptureEvent, CapturePool, type CapturePoolOptions } from "../../src/capture/mod.ts";
import { openPayload } from "../../src/loader/mod.ts";
import { type Clock, Counters, LossLedger } from "../../src/telemetry/mod.ts";
import { RecordView } from "../../src/wire/mod.ts";
import {
  CaptureLoad,
  LOAD_NUMBER_OFFSET,
  LoadGenerator,
  type LoadSizes,
} from "../support/capture_load.ts";
import { IS_GUEST, kernelTest } from "../support/require_kernel.ts";

const WORKER_URL = new URL("../../src/capture/capture_worker.ts", import.meta.url).href;
/** For a guest under emulation on a busy machine. */
const DEADLINE_MS = 60_000;

await warmUp();

/** Everything one test needs: the program, a started pool, a generator per CPU. */
class Bench {
  readonly counters = new Counters();
  readonly losses = new LossLedger();
  readonly events: CaptureEvent[] = [];
  readonly generators: LoadGenerator[] = [];
  readonly numbers = new Map<number, number[]>();
  readonly latenciesNs: number[] = [];
  load!: CaptureLoad;
  pool!: CapturePool;
  readonly #view = new RecordView();
  readonly #libc = openLibc();

  static async open(options: Partial<CapturePoolOptions> = {}): Promise<Bench> {
    const bench = new Bench();
    bench.load = await CaptureLoad.open();
    const payload = openPayload();
    const clock: Clock = {
      monotonicNs: () => bench.nowNs(),
      boottimeNs: () => bench.nowNs(),
      wallNs: (ns) => ns,
    };
    bench.pool = new CapturePool({
      libbpfPath: payload.libbpfPath(),
      workerUrl: WORKER_URL,
      recordsMapFd: bench.load.recordsMapFd,
      cpus: onlineCpus,
      counters: bench.counters,
      losses: bench.losses,
      clock,
      onEvent: (event) => bench.events.push(event),
      ...options,
    });
    try {
      await bench.pool.start();
      for (const cpu of onlineCpus()) bench.generators[cpu] = await LoadGenerator.start(cpu);
      return bench;
    } catch (error) {
      await bench[Symbol.asyncDispose]();
      throw error;
    }
  }

  nowNs(): bigint {
    return this.#libc.clockGettimeNs(ClockId.monotonic);
  }

  /** Reads what is there, checks each record and notes its number. @returns how many. */
  read(): number {
    let count = 0;
    const view = this.#view;
    for (const ring of this.pool.rings) {
      let numbers = this.numbers.get(ring.cpu);
      if (numbers === undefined) this.numbers.set(ring.cpu, numbers = []);
      while (ring.peek(view)) {
        const number = view.view.getUint32(view.offset + LOAD_NUMBER_OFFSET, true);
        const stamp = view.view.getUint32(view.offset + view.size - 4, true);
        if (stamp !== number) throw new Error(`Record ${number} ends with the stamp ${stamp}`);
        numbers.push(number);
        this.latenciesNs.push(Number(this.nowNs() - view.timeNs));
        ring.take();
        count++;
      }
    }
    return count;
  }

  /** Reads until `done` says so. */
  async readUntil(done: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + DEADLINE_MS;
    for (;;) {
      this.read();
      if (done()) return;
      if (performance.now() > deadlineMs) throw new Error("The deadline has passed");
      await this.pool.wait(100);
      // The generators' pipes are served by the event loop.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Lets a generator work while records are read; returns when both are through. */
  async run(cpu: number, count: number, intervalNs: number, sizes: LoadSizes): Promise<void> {
    const generator = this.generators[cpu]!;
    this.load.order(generator, sizes);
    let ended = false;
    const run = generator.run(count, intervalNs).then(() => ended = true);
    await this.readUntil(() => ended && this.isDrained());
    await run;
  }

  /** Lets the generators of all CPUs work at once, as fast as they can. */
  async runAll(count: number, sizes: LoadSizes): Promise<void> {
    let running = 0;
    for (const generator of this.generators) {
      if (generator === undefined) continue;
      this.load.order(generator, sizes);
      running++;
      generator.run(count).then(() => running--);
    }
    await this.readUntil(() => running === 0 && this.isDrained());
  }

  isDrained(): boolean {
    return this.pool.rings.every((ring) => ring.isDrained());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const generator of this.generators) await generator?.[Symbol.asyncDispose]();
    await this.pool.stop();
    this.load[Symbol.dispose]();
    this.#libc[Symbol.dispose]();
  }
}

/** With a process's first worker Deno opens an eventfd for good; the leak check is not about it. */
async function warmUp(): Promise<void> {
  const worker = new Worker("data:text/javascript,postMessage(0)", { type: "module" });
  await new Promise((resolve) => worker.onmessage = resolve);
  worker.terminate();
}

/** Waits without reading. */
async function waitUntil(done: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!done()) {
    if (performance.now() > deadlineMs) throw new Error("The deadline has passed");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** 0, 1, 2, ... */
function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

kernelTest({
  name: "CapturePool hands over every record of every CPU whole and in order",
  async run() {
    await using bench = await Bench.open();
    // Each round fits into a ring of 1 MiB: nothing may be lost however slow the machine is.
    for (let round = 0; round < 10; round++) {
      await bench.runAll(500, { sizeMin: 80, sizeSpan: 900 });
      await bench.runAll(15, { sizeMin: 80, sizeSpan: 65_400 });
      await bench.runAll(10, { sizeMin: 65_504, sizeSpan: 0 });
    }
    for (const cpu of onlineCpus()) {
      strictEqual(bench.load.made(cpu), 5250);
      deepStrictEqual(bench.load.dropped(cpu), [0, 0, 0, 0]);
      deepStrictEqual(bench.numbers.get(cpu), upTo(5250));
    }
    strictEqual(bench.losses.total, 0);
    deepStrictEqual(bench.events, []);
  },
});

kernelTest({
  name: "CapturePool wakes the reader at each record when they are few",
  async run() {
    await using bench = await Bench.open();
    bench.latenciesNs.length = 0;
    const copies = () => bench.counters.total("shrike_capture_copies_total");
    await bench.run(0, 100, 20_000_000, { sizeMin: 200, sizeSpan: 0 });
    const sorted = bench.latenciesNs.toSorted((a, b) => a - b);
    strictEqual(sorted.length, 100);
    const [median, p99] = [sorted[50]!, sorted[98]!].map((ns) => (ns / 1e6).toFixed(3));
    console.log(`latency: median ${median} ms, p99 ${p99} ms`);
    // The times depend on who else uses the machine. Without the wake-up, a worker that looks each
    // 200 ms copies some 10 times in these 2 s.
    await waitUntil(() => copies() > 0);
    ok(copies() > 30, `${copies()} copies`);
  },
});

kernelTest({
  name: "CapturePool uses the watermark when records are many, and leaves it afterwards",
  async run() {
    await using bench = await Bench.open();
    await bench.run(0, 50_000, 0, { sizeMin: 200, sizeSpan: 0 });
    const switches = () => bench.counters.total("shrike_capture_wakeup_switches_total");
    await bench.readUntil(() => switches() >= 2);
    const copies = bench.counters.total("shrike_capture_copies_total");
    console.log(`watermark: ${copies} copies for ${bench.load.made(0)} records`);
    ok(copies < 25_000, `${copies} copies`);
    const got = bench.numbers.get(0)!.length;
    strictEqual(bench.load.made(0), got + bench.load.dropped(0)[0]!);
  },
});

kernelTest({
  name: "CapturePool counts exactly what is lost while the reader does not read",
  async run() {
    await using bench = await Bench.open({ ringPages: 32, sharedRingSize: 1 << 17 });
    const generator = bench.generators[0]!;
    bench.load.order(generator, { sizeMin: 500, sizeSpan: 100 });
    // The first fills the shared ring, at the second the worker finds it full.
    await generator.run(3000);
    await waitUntil(() => bench.load.dropped(0)[0]! > 0);
    await generator.run(3000);
    await waitUntil(() => bench.pool.wasStalled(0));
    await bench.readUntil(() => bench.isDrained());
    // LOST comes with the next record that fits.
    await bench.run(0, 1, 0, { sizeMin: 200, sizeSpan: 0 });
    const numbers = bench.numbers.get(0)!;
    const [full, ...others] = bench.load.dropped(0);
    ok(full! > 0);
    deepStrictEqual(others, [0, 0, 0]);
    strictEqual(numbers.length + full!, 6001);
    strictEqual(bench.pool.kernelLost(0), full);
    deepStrictEqual(numbers, numbers.toSorted((a, b) => a - b));
    strictEqual(numbers.at(-1), 6000);
    strictEqual(bench.pool.wasStalled(0), false);
  },
});

kernelTest({
  name: "CapturePool replaces a killed worker and loses nothing",
  async run() {
    const workers: Worker[] = [];
    await using bench = await Bench.open({
      // Room for all records: how long a new worker takes to come depends on the machine.
      ...{ ringPages: 512, sharedRingSize: 1 << 21 },
      spawn: (url) => {
        const worker = new Worker(url, { type: "module" });
        workers.push(worker);
        return worker;
      },
    });
    const before = workers.length;
    const load = bench.run(0, 5000, 50_000, { sizeMin: 80, sizeSpan: 300 });
    for (let kill = 0; kill < 3; kill++) {
      await bench.readUntil(() => (bench.numbers.get(0)?.length ?? 0) > 500 + kill * 1000);
      const victim = kill === 0 ? 0 : workers.length - 1;
      // Terminated threads give no event; the pool would find it by the heartbeat after 10 s.
      workers[victim]!.terminate();
      const died = new ErrorEvent("error", { message: "killed by the test" });
      workers[victim]!.onerror?.(died);
      await bench.readUntil(() => bench.events.length > kill);
    }
    await load;
    // What the program made is the measure: the last worker may have come after the last record.
    const made = bench.load.made(0);
    ok(made > 4000, `${made} records`);
    deepStrictEqual(bench.load.dropped(0), [0, 0, 0, 0]);
    await bench.readUntil(() => (bench.numbers.get(0)?.length ?? 0) >= made);
    deepStrictEqual(bench.numbers.get(0), upTo(made));
    strictEqual(workers.length, before + 3);
    strictEqual(bench.counters.total("shrike_capture_worker_restarts_total"), 3);
    deepStrictEqual(bench.events.map((event) => event.type), upTo(3).map(() => "worker_restarted"));
  },
});

kernelTest({
  name: "CapturePool serves several CPUs with one worker",
  async run() {
    await using bench = await Bench.open({ workers: 1 });
    for (const cpu of onlineCpus()) {
      await bench.run(cpu, 400, 30_000, { sizeMin: 80, sizeSpan: 2000 });
    }
    await bench.runAll(400, { sizeMin: 80, sizeSpan: 2000 });
    for (const cpu of onlineCpus()) deepStrictEqual(bench.numbers.get(cpu), upTo(800));
  },
});

kernelTest({
  name: "CapturePool.stop() ends, idle and under load",
  async run() {
    for (const count of [0, 20_000]) {
      await using bench = await Bench.open();
      const generator = bench.generators[0]!;
      bench.load.order(generator, { sizeMin: 200, sizeSpan: 0 });
      const run = count === 0 ? Promise.resolve() : generator.run(count, 10_000);
      await bench.pool.stop();
      await run;
    }
  },
});

kernelTest({
  name: "CapturePool takes in a CPU that came and takes out one that went",
  async run() {
    let cpus: readonly number[] = [0];
    await using bench = await Bench.open({ cpus: () => cpus });
    deepStrictEqual(bench.pool.rings.map((ring) => ring.cpu), [0]);
    cpus = onlineCpus();
    await bench.pool.checkCpus();
    const last = cpus.at(-1)!;
    await bench.run(last, 100, 0, { sizeMin: 200, sizeSpan: 0 });
    deepStrictEqual(bench.numbers.get(last), upTo(100));
    await bench.generators[last]!.run(50);
    cpus = [0];
    await bench.pool.checkCpus();
    await bench.readUntil(() => bench.isDrained());
    deepStrictEqual(bench.numbers.get(last), upTo(150));
    strictEqual(bench.pool.rings.find((ring) => ring.cpu === last)?.ended, last !== 0);
    await bench.pool.checkCpus();
    deepStrictEqual(bench.pool.rings.map((ring) => ring.cpu), [0]);
    deepStrictEqual(bench.events.map((event) => event.type), ["cpu_added", "cpu_removed"]);
    await bench.generators[last]!.run(10);
    deepStrictEqual(bench.load.dropped(last), [0, 10, 0, 0]);
  },
});

/** Takes CPUs away from everybody on the machine, so only where the machine is ours: in a guest. */
if (IS_GUEST && onlineCpus().length > 1) {
  kernelTest({
    name: "CapturePool follows a CPU that the kernel takes offline and online",
    async run() {
      await using bench = await Bench.open();
      const last = onlineCpus().at(-1)!;
      const setOnline = (online: "0" | "1") =>
        Deno.writeTextFileSync(`/sys/devices/system/cpu/cpu${last}/online`, online);
      // The kernel moves a process whose CPU goes, so each round has a generator of its own.
      const makeTen = async () => {
        await bench.generators[last]?.[Symbol.asyncDispose]();
        bench.generators[last] = await LoadGenerator.start(last);
        await bench.run(last, 10, 0, { sizeMin: 200, sizeSpan: 0 });
      };
      await makeTen();
      setOnline("0");
      await bench.pool.checkCpus();
      await bench.readUntil(() => bench.isDrained());
      await bench.pool.checkCpus();
      ok(!bench.pool.rings.some((ring) => ring.cpu === last));
      setOnline("1");
      await bench.pool.checkCpus();
      await makeTen();
      // Away and back before anybody looks: the online list is the same, the event is dead.
      setOnline("0");
      setOnline("1");
      await bench.pool.checkCpus();
      await bench.readUntil(() => bench.isDrained());
      await bench.pool.checkCpus();
      await makeTen();
      deepStrictEqual(bench.numbers.get(last), upTo(30));
      deepStrictEqual(bench.load.dropped(last), [0, 0, 0, 0]);
      // On a busy machine the event may die once more while the CPU comes up.
      const types = bench.events.map((event) => event.type);
      ok(types.length >= 4 && types.length % 2 === 0, types.join(" "));
      const turns = types.map((_, index) => index % 2 === 0 ? "cpu_removed" : "cpu_added");
      deepStrictEqual(types, turns);
    },
  });
}
