import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { FakeMachine } from "../../tests/support/fake_capture_system.ts";
import { numberedRecord } from "../../tests/support/fake_perf_ring.ts";
import { FakeClock } from "../../tests/support/sample_facts.ts";
import { Counters, LossLedger } from "../telemetry/mod.ts";
import { RECORD_HEADER_SIZE, RecordView } from "../wire/mod.ts";
import { type CaptureEvent, CapturePool, type CapturePoolOptions } from "./capture_pool.ts";
import { RingOpenError } from "./perf_ring.ts";
import { WorkerError } from "./worker_handle.ts";

/** A pool on a fake machine. */
class Setup {
  readonly machine = new FakeMachine();
  readonly counters = new Counters();
  readonly losses = new LossLedger();
  readonly events: CaptureEvent[] = [];
  readonly pool: CapturePool;
  readonly #view = new RecordView();

  constructor(public cpus: readonly number[], options: Partial<CapturePoolOptions> = {}) {
    this.pool = new CapturePool({
      libbpfPath: "libbpf.so",
      workerUrl: "worker.js",
      recordsMapFd: 9,
      cpus: () => this.cpus,
      counters: this.counters,
      losses: this.losses,
      clock: new FakeClock(),
      onEvent: (event) => this.events.push(event),
      system: this.machine,
      spawn: this.machine.spawn,
      ...options,
    });
  }

  /** Lets the kernel write a record. */
  emit(cpu: number, number: number): void {
    this.machine.ring(cpu).kernel.emit(numberedRecord(number, 200));
  }

  /** Lets all workers do a round, then reads all rings. @returns "cpu:number" of each record. */
  read(): string[] {
    for (const worker of this.machine.living) worker.work();
    const records: string[] = [];
    for (const ring of this.pool.rings) {
      while (ring.peek(this.#view)) {
        const { view, offset } = this.#view;
        records.push(`${ring.cpu}:${view.getUint32(offset + RECORD_HEADER_SIZE, true)}`);
        ring.take();
      }
    }
    return records;
  }

  get restarts(): number {
    return this.counters.total("shrike_capture_worker_restarts_total");
  }

  get eventTypes(): string[] {
    return this.events.map((event) => event.type);
  }

  /** Nothing of the machine is held any more. */
  assertClosed(): void {
    deepStrictEqual(this.machine.living, []);
    deepStrictEqual([...this.machine.eventfds], []);
    deepStrictEqual([...this.machine.slots], []);
    ok(this.machine.rings.every((ring) => ring.closed));
    ok(this.machine.disposed);
  }
}

Deno.test("CapturePool.start() gives each CPU a worker, a ring and a slot", async () => {
  const setup = new Setup([0, 1, 2]);
  await setup.pool.start();
  deepStrictEqual(setup.machine.workers.map((worker) => worker.cpus), [[0], [1], [2]]);
  deepStrictEqual([...setup.machine.slots.keys()].sort(), [0, 1, 2]);
  deepStrictEqual(setup.pool.rings.map((ring) => ring.cpu), [0, 1, 2]);
  setup.emit(1, 5);
  deepStrictEqual(setup.read(), ["1:5"]);
  await setup.pool.stop();
  setup.assertClosed();
});

Deno.test("CapturePool groups CPUs on as many workers as are set", async () => {
  const setup = new Setup([0, 1, 2, 3, 4], { workers: 2 });
  await setup.pool.start();
  deepStrictEqual(setup.machine.workers.map((worker) => worker.cpus), [[0, 1], [2, 3, 4]]);
  await setup.pool.stop();
  setup.assertClosed();
});

Deno.test("CapturePool.stop() leaves what was published, and may come twice", async () => {
  const setup = new Setup([0]);
  await setup.pool.start();
  setup.emit(0, 1);
  await setup.pool.stop();
  await setup.pool.stop();
  deepStrictEqual(setup.read(), ["0:1"]);
  ok(setup.pool.rings[0]!.isDrained());
  setup.assertClosed();
});

Deno.test("CapturePool.start() closes everything when a worker does not start", async () => {
  const setup = new Setup([0, 1]);
  setup.machine.prepare = (worker) => {
    if (setup.machine.workers.length === 2) worker.failsAt = "start";
  };
  await rejects(setup.pool.start(), (error) => {
    ok(error instanceof WorkerError);
    strictEqual(error.hint, "mend it");
    return true;
  });
  setup.assertClosed();
});

Deno.test("CapturePool.start() leaves out a CPU without a ring, fails without any", async () => {
  const setup = new Setup([0, 1]);
  setup.machine.refused.add(1);
  await setup.pool.start();
  deepStrictEqual(setup.pool.rings.map((ring) => ring.cpu), [0]);
  deepStrictEqual(setup.eventTypes, ["cpu_left_out"]);
  setup.machine.refused.clear();
  await setup.pool.checkCpus();
  deepStrictEqual(setup.pool.rings.map((ring) => ring.cpu), [0, 1]);
  await setup.pool.stop();
  const none = new Setup([0]);
  none.machine.refused.add(0);
  await rejects(none.pool.start(), RingOpenError);
  none.assertClosed();
});

Deno.test("CapturePool says when the kernel grants a smaller ring", async () => {
  const setup = new Setup([0], { ringPages: 256 });
  setup.machine.pagesMax = 64;
  await setup.pool.start();
  deepStrictEqual(setup.events, [
    { type: "ring_smaller", cpu: 0, askedSize: 256 * 4096, size: 64 * 4096 },
  ]);
  await setup.pool.stop();
});

Deno.test("CapturePool replaces a worker that crashed, on the same rings", async () => {
  const setup = new Setup([0, 1], { workers: 1 });
  await setup.pool.start();
  setup.emit(0, 1);
  setup.machine.workers[0]!.work();
  setup.emit(0, 2);
  setup.emit(1, 3);
  setup.machine.workers[0]!.crash("out of memory");
  await setup.pool.checkCpus();
  strictEqual(setup.machine.living.length, 1);
  deepStrictEqual(setup.read(), ["0:1", "0:2", "1:3"]);
  strictEqual(setup.restarts, 1);
  deepStrictEqual(setup.eventTypes, ["worker_restarted"]);
  strictEqual(setup.machine.rings.length, 2);
  await setup.pool.stop();
  setup.assertClosed();
});

Deno.test("CapturePool gives up when workers crash again and again", async () => {
  const setup = new Setup([0]);
  await setup.pool.start();
  for (let crash = 0; crash < 6; crash++) {
    setup.machine.living[0]!.crash("again");
    await setup.pool.checkCpus();
  }
  strictEqual(setup.restarts, 6);
  deepStrictEqual(setup.eventTypes, [...Array(5).fill("worker_restarted"), "failed"]);
  await setup.pool.stop();
  setup.assertClosed();
});

Deno.test("CapturePool goes on when crashes are far apart", async () => {
  const setup = new Setup([0]);
  await setup.pool.start();
  for (let crash = 0; crash < 20; crash++) {
    setup.machine.living[0]!.crash("now and then");
    await setup.pool.checkCpus();
    setup.machine.time += 20_000;
  }
  ok(!setup.eventTypes.includes("failed"));
  await setup.pool.stop();
});

Deno.test("CapturePool gives up rather than put two threads on one ring", async () => {
  const setup = new Setup([0]);
  await setup.pool.start();
  const victim = setup.machine.workers[0]!;
  setup.machine.immortal.add(victim.threadId);
  victim.crash("stuck");
  await setup.pool.checkCpus();
  deepStrictEqual(setup.eventTypes, ["failed"]);
  strictEqual(setup.machine.workers.length, 1);
  await setup.pool.stop();
  // The thread may still look at it.
  ok(!setup.machine.rings[0]!.closed);
});

Deno.test("CapturePool tries again when the replacement fails too", async () => {
  const setup = new Setup([0]);
  await setup.pool.start();
  setup.machine.prepare = (worker) => {
    if (setup.machine.workers.length === 2) worker.failsAt = "assign";
  };
  setup.machine.workers[0]!.crash("first");
  await setup.pool.checkCpus();
  strictEqual(setup.restarts, 2);
  deepStrictEqual(setup.eventTypes, ["worker_restarted"]);
  deepStrictEqual(setup.machine.living.map((worker) => worker.cpus), [[0]]);
  await setup.pool.stop();
  setup.assertClosed();
});

Deno.test("CapturePool.checkCpus() takes in a CPU that came", async () => {
  const setup = new Setup([0]);
  await setup.pool.start();
  const before = setup.pool.rings;
  setup.cpus = [0, 4];
  await setup.pool.checkCpus();
  ok(setup.pool.rings !== before);
  deepStrictEqual(setup.pool.rings.map((ring) => ring.cpu), [0, 4]);
  setup.emit(4, 1);
  deepStrictEqual(setup.read(), ["4:1"]);
  strictEqual(setup.machine.living.length, 2);
  await setup.pool.stop();
  setup.assertClosed();
});

Deno.test("CapturePool.checkCpus() gives a new CPU to the worker with the fewest", async () => {
  const setup = new Setup([0, 1, 2], { workers: 2 });
  await setup.pool.start();
  setup.cpus = [0, 1, 2, 3];
  await setup.pool.checkCpus();
  deepStrictEqual(setup.machine.living.map((worker) => worker.cpus), [[0, 3], [1, 2]]);
  await setup.pool.stop();
});

Deno.test("CapturePool.checkCpus() reads a CPU that went to its end, then drops it", async () => {
  const setup = new Setup([0, 1]);
  await setup.pool.start();
  setup.emit(1, 1);
  setup.cpus = [0];
  await setup.pool.checkCpus();
  const gone = setup.pool.rings.find((ring) => ring.cpu === 1)!;
  ok(!gone.ended);
  ok(!setup.machine.slots.has(1));
  await setup.pool.checkCpus();
  ok(setup.pool.rings.includes(gone), "not read yet");
  deepStrictEqual(setup.read(), ["1:1"]);
  ok(gone.ended);
  await setup.pool.checkCpus();
  deepStrictEqual(setup.pool.rings.map((ring) => ring.cpu), [0]);
  ok(gone.ended);
  strictEqual(setup.machine.living.length, 1);
  ok(setup.machine.rings[1]!.closed);
  deepStrictEqual(setup.eventTypes, ["cpu_removed"]);
  await setup.pool.stop();
  setup.assertClosed();
});

Deno.test("CapturePool.checkCpus() notices a CPU that went and came unseen", async () => {
  const setup = new Setup([0, 1]);
  await setup.pool.start();
  setup.machine.ring(1).alive = false;
  await setup.pool.checkCpus();
  await setup.pool.checkCpus();
  strictEqual(setup.machine.rings.length, 3);
  setup.emit(1, 9);
  deepStrictEqual(setup.read(), ["1:9"]);
  deepStrictEqual(setup.eventTypes, ["cpu_removed", "cpu_added"]);
  await setup.pool.stop();
  setup.assertClosed();
});

Deno.test("CapturePool replaces a worker that dies while CPUs change", async () => {
  const setup = new Setup([0], { workers: 1 });
  await setup.pool.start();
  setup.cpus = [0, 1];
  setup.machine.living[0]!.failsAt = "assign";
  await setup.pool.checkCpus();
  deepStrictEqual(setup.machine.living.map((worker) => worker.cpus), [[0, 1]]);
  strictEqual(setup.restarts, 1);
  await setup.pool.stop();
  setup.assertClosed();
});

Deno.test("CapturePool.wasStalled() is true once after the shared ring was full", async () => {
  const setup = new Setup([0], { sharedRingSize: 1 << 17 });
  await setup.pool.start();
  ok(!setup.pool.wasStalled(0));
  for (let number = 0; number < 2000; number++) setup.emit(0, number);
  setup.machine.living[0]!.work();
  ok(setup.pool.wasStalled(0));
  while (setup.read().length > 0);
  // It ended since, but the losses of that time are named by the next question.
  strictEqual(setup.pool.wasStalled(0), false);
  ok(!setup.pool.wasStalled(7));
  await setup.pool.stop();
  strictEqual(setup.counters.total("shrike_capture_stalls_total"), 1);
});
