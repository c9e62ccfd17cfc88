import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { FakeMachine, type FakeWorker } from "../../tests/support/fake_capture_system.ts";
import { WorkerError, WorkerHandle } from "./worker_handle.ts";

/** A handle on a fake worker. */
class Setup {
  readonly machine = new FakeMachine();
  readonly deaths: WorkerError[] = [];
  readonly worker: FakeWorker;
  readonly handle: WorkerHandle;

  constructor() {
    this.worker = this.machine.spawn();
    this.handle = new WorkerHandle({
      system: this.machine,
      endpoint: this.worker,
      onDeath: (_handle, error) => this.deaths.push(error),
      answerTimeoutMs: 5,
    });
  }

  start(): Promise<void> {
    return this.handle.start("libbpf.so", 9, new SharedArrayBuffer(128));
  }
}

Deno.test("WorkerHandle.look() reports a worker without heartbeat once", async () => {
  const setup = new Setup();
  await setup.start();
  await setup.handle.assign([]);
  for (let look = 0; look < 30; look++) {
    setup.worker.work();
    setup.handle.look();
  }
  deepStrictEqual(setup.deaths, []);
  for (let look = 0; look < 20; look++) setup.handle.look();
  deepStrictEqual(setup.deaths, [], "10 s are not over");
  for (let look = 0; look < 20; look++) setup.handle.look();
  strictEqual(setup.deaths.length, 1);
  ok(`${setup.deaths[0]}`.includes("no sign of life"));
  ok(await setup.handle.end());
  strictEqual(setup.machine.eventfds.size, 0);
});

Deno.test("WorkerHandle rejects an order that is not answered", async () => {
  for (const order of ["start", "assign", "stop"] as const) {
    const setup = new Setup();
    setup.worker.deafTo = order;
    await rejects(async () => {
      await setup.start();
      await setup.handle.assign([]);
      await setup.handle.stop();
    }, new RegExp(`no answer to "${order}"`));
    deepStrictEqual(setup.deaths, [], "the order's promise tells it");
    ok(await setup.handle.end());
    strictEqual(setup.machine.eventfds.size, 0);
  }
});

Deno.test("WorkerHandle rejects orders after the worker's end", async () => {
  const setup = new Setup();
  await setup.start();
  ok(await setup.handle.end());
  await rejects(setup.handle.assign([]), WorkerError);
});

Deno.test("WorkerHandle keeps an uncaught error of the worker from ending the agent", async () => {
  const setup = new Setup();
  await setup.start();
  const event = new ErrorEvent("error", { message: "boom", cancelable: true });
  setup.worker.onerror?.(event);
  ok(event.defaultPrevented);
  strictEqual(setup.deaths.length, 1);
  await setup.handle.end();
});
