import assert from "node:assert/strict";
import { FakeRooms } from "../tests/support/fake_rooms.ts";
import { startAgent } from "./agent.ts";
import type { AgentOptions } from "./agent_contract.ts";
import { loadConfig } from "./config/mod.ts";
import { Counters, type Log } from "./telemetry/mod.ts";

const SILENT: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

function optionsFor(fakes: FakeRooms, more: Partial<AgentOptions> = {}): AgentOptions {
  const readFile = () => {
    throw Object.assign(new Error("none"), { code: "ENOENT" });
  };
  return {
    config: loadConfig({ flags: new Map(), environment: {}, readFile }).config,
    nodeName: "node",
    environment: {},
    counters: new Counters(),
    openSinks: () => [fakes.sink()],
    needsForks: false,
    log: () => SILENT,
    ...more,
  };
}

const START = [
  "open libc",
  "open payload",
  "open presence",
  "open libbpf",
  "open cgroups",
  "open workloads",
  "ask runtimes",
  "open sensors",
  "open capture",
  "start workers",
  "open sink",
  "open policies",
  "open network",
  "open metrics",
  "start metrics",
  "open drops",
  "attach",
  "network attached",
  "begin presence",
  "open pipeline",
  "run pipeline",
  "walk cgroups",
  "scan",
  "start network",
  "open control",
  "start control",
  "metrics started",
];
const STOP = [
  "metrics stopping",
  "close control",
  "end presence",
  "detach",
  "end policies",
  "close pipeline",
  "tell last flows",
  "close metrics",
  "close sink",
  "close workers",
  "close sensors",
  "close workloads",
  "close libbpf",
  "close presence",
  "close libc",
];

Deno.test("startAgent() starts rooms in order, stop() ends them in reverse", async () => {
  const fakes = new FakeRooms();
  const agent = await startAgent(optionsFor(fakes), fakes.rooms());
  assert.deepEqual(fakes.trace, START);
  const summary = await agent.stop();
  assert.deepEqual(fakes.trace.slice(START.length), STOP);
  assert.deepEqual([...fakes.open], []);
  assert.equal(summary.cpuMs, 3);
  assert.equal(summary.memoryPeakSize, 4096);
  assert.equal(fakes.presenceFailures, 0);
  await agent.ended;
});

for (const failAt of START.filter((step) => step !== "metrics started")) {
  Deno.test(`startAgent() leaves nothing behind when "${failAt}" fails`, async () => {
    const fakes = new FakeRooms(failAt);
    await assert.rejects(
      startAgent(optionsFor(fakes), fakes.rooms()),
      { message: `fake failure of ${failAt}` },
    );
    assert.deepEqual([...fakes.open], []);
  });
}

for (const failAt of STOP.filter((step) => step.startsWith("close"))) {
  Deno.test(`Agent.stop() ends all rooms although "${failAt}" fails`, async () => {
    const fakes = new FakeRooms(failAt);
    const agent = await startAgent(optionsFor(fakes), fakes.rooms());
    await agent.stop().catch(() => {});
    assert.deepEqual(fakes.trace.slice(START.length), STOP);
    assert.deepEqual([...fakes.open], []);
  });
}

Deno.test("Agent.stop() gives the same summary to each caller and stops once", async () => {
  const fakes = new FakeRooms();
  const agent = await startAgent(optionsFor(fakes), fakes.rooms());
  const [first, second] = await Promise.all([agent.stop(), agent.stop()]);
  assert.equal(first, second);
  assert.equal(fakes.trace.length, START.length + STOP.length);
});

Deno.test("Agent.ended rejects when the pipeline fails, and stop() still tidies up", async () => {
  const fakes = new FakeRooms();
  const agent = await startAgent(optionsFor(fakes), fakes.rooms());
  fakes.failPipeline(new Error("broken invariant"));
  await assert.rejects(agent.ended, { message: "broken invariant" });
  await agent.stop();
  assert.equal(fakes.presenceFailures, 1);
  assert.deepEqual([...fakes.open], []);
});

Deno.test("Agent.ended rejects when capture fails, and stop() still tidies up", async () => {
  const fakes = new FakeRooms();
  const agent = await startAgent(optionsFor(fakes), fakes.rooms());
  fakes.failCapture(new Error("workers die"));
  await assert.rejects(agent.ended, { message: "workers die" });
  assert.equal(fakes.presenceFailures, 1);
  await agent.stop();
  assert.deepEqual(fakes.trace.slice(START.length), STOP);
});

Deno.test("startAgent() gives the pipeline a tick that reads losses and CPUs", async () => {
  const fakes = new FakeRooms();
  const agent = await startAgent(optionsFor(fakes), fakes.rooms());
  fakes.pipelineOptions.onTick!();
  assert.deepEqual(fakes.trace.slice(START.length), [
    ...[
      "check drops",
      "check cpus",
      "tick cgroups",
      "tick network",
      "tick presence",
      "tick metrics",
    ],
  ]);
  await agent.stop();
});

Deno.test("startAgent() tells the service manager ready, alive and stopping", async () => {
  const fakes = new FakeRooms();
  const environment = { NOTIFY_SOCKET: "/run/notify", WATCHDOG_USEC: "20000" };
  const agent = await startAgent(optionsFor(fakes, { environment }), fakes.rooms());
  assert.deepEqual(fakes.datagrams, ["READY=1\nSTATUS=Watching 0 CPUs"]);
  const pings = () => fakes.datagrams.filter((text) => text === "WATCHDOG=1").length;
  await eventually(() => pings() === 1);
  fakes.pipelineOptions.onTick!();
  await eventually(() => pings() === 2);
  await agent.stop();
  assert.equal(fakes.datagrams.at(-1), "STOPPING=1\nSTATUS=Stopping");
});

Deno.test("startAgent() emits forks when the config or a filter needs them", async () => {
  for (const needsForks of [false, true]) {
    const fakes = new FakeRooms();
    const agent = await startAgent(optionsFor(fakes, { needsForks }), fakes.rooms());
    assert.equal(fakes.pipelineOptions.emitForks, needsForks);
    await agent.stop();
  }
});

async function eventually(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, "the condition came true in time");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
