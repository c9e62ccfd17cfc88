import assert from "node:assert/strict";
import { FakeRecordSource, FakeRing } from "../../tests/support/fake_record_source.ts";
import {
  buildBareRecord,
  buildExecRecord,
  buildExitRecord,
  buildForkRecord,
} from "../../tests/support/record_builder.ts";
import { FakeClock, found, type Group, WALL_OFFSET_NS } from "../../tests/support/sample_facts.ts";
import type { AgentEvent, ProcessEvent } from "../events/mod.ts";
import { processSensor } from "../sensors/process/sensor.ts";
import { ProcessCache } from "../state/mod.ts";
import { Counters, LossLedger } from "../telemetry/mod.ts";
import { Pipeline, type PipelineOptions, type PipelineOutlet } from "./mod.ts";
import { exitStatus } from "./attach_context.ts";

const INIT: Group = { tgid: 1, startNs: 10_000_000n };
const SHELL: Group = { tgid: 100, startNs: 500_000_000n };
const CHILD: Group = { tgid: 200, startNs: 900_000_000n };
const START_NS = 1_000_000_000n;

const header = (group: Group, timeNs: bigint, cpu = 0) => ({
  tgid: group.tgid,
  leaderStartNs: group.startNs,
  timeNs,
  cpu,
});
const forkRecord = (child: Group, parent: Group, timeNs: bigint, cpu = 0) =>
  buildForkRecord({ header: header(child, timeNs, cpu) }, {
    parentTgid: parent.tgid,
    parentStartNs: parent.startNs,
  });
const execRecord = (group: Group, timeNs: bigint, path: string, cpu = 0) =>
  buildExecRecord({ header: header(group, timeNs, cpu) }, {
    filename: path,
    exe: path,
    argv: [path],
  });
const exitRecord = (group: Group, timeNs: bigint, exitCode = 0, cpu = 0) =>
  buildExitRecord(header(group, timeNs, cpu), { exitCode });

/** A pipeline over fake rings that stops by itself when nothing has come for some waits. */
function setUp(rings: readonly FakeRing[], options: PipelineOptions = {}) {
  const clock = new FakeClock(START_NS, 1_000_000n);
  const [counters, losses] = [new Counters(), new LossLedger()];
  const events: AgentEvent[] = [];
  let flushes = 0;
  const sink: PipelineOutlet = {
    name: "test",
    push: (event) => void events.push(event),
    flush: () => void flushes++,
  };
  const source = new FakeRecordSource(rings);
  const stop = new AbortController();
  let waits = 0;
  source.onWait = (timeoutMs) => {
    clock.nowNs += BigInt(timeoutMs) * 1_000_000n;
    if (++waits > 30) stop.abort();
  };
  const cache = new ProcessCache({ nodeName: "n", clock, counters });
  const parts = { source, decoders: processSensor.decoders, cache, losses, counters, clock };
  const run = (sinks: readonly PipelineOutlet[] = [sink]) =>
    new Pipeline({ ...parts, sinks }, options).run(stop.signal);
  return { run, events, counters, losses, clock, source, sink, flushCount: () => flushes };
}

const isProcess = (event: AgentEvent): event is ProcessEvent => event.type !== "gap";
const lines = (events: readonly AgentEvent[]) =>
  events.filter(isProcess).map(({ type, subject, parent }) =>
    `${type} ${subject.process.tgid} ${subject.process.binary.text} <- ${parent?.process.tgid}`
  );

const scan = () => [found(INIT, 0, "/sbin/init"), found(SHELL, 1, "/bin/sh")];

Deno.test("Pipeline tells what ran before, then records of all CPUs in time order", async () => {
  const t = START_NS + 100_000_000n;
  const rings = [
    new FakeRing(0, [forkRecord(CHILD, SHELL, t), exitRecord(CHILD, t + 30n, 3 << 8)]),
    new FakeRing(1, [execRecord(CHILD, t + 20n, "/bin/ls", 1)]),
  ];
  const { run, events, flushCount } = setUp(rings, { scan });
  await run();
  assert.deepEqual(lines(events), [
    "process_exec 0 <kernel> <- undefined",
    "process_exec 1 /sbin/init <- 0",
    "process_exec 100 /bin/sh <- 1",
    "process_exec 200 /bin/ls <- 100",
    "process_exit 200 /bin/ls <- 100",
  ]);
  const [exec, exit] = events.slice(-2);
  assert(exec?.type === "process_exec" && exit?.type === "process_exit");
  assert.equal(exec.timeNs, WALL_OFFSET_NS + t + 20n);
  assert.deepEqual([exec.cpu, exec.subject.references, exec.parent?.references], [1, 1, 2]);
  assert.deepEqual([exit.status, exit.signal, exit.marks], [3, "", []]);
  assert.deepEqual([exit.subject.references, exit.parent?.references], [0, 1]);
  assert.equal(exit.subject.process, exec.subject.process, "one version, encoded once");
  assert(flushCount() > 0);
});

Deno.test("Pipeline applies records made during the scan after it, each process once", async () => {
  const ring = new FakeRing(0);
  const { run, events, clock } = setUp([ring], {
    scan: () => {
      const t = clock.nowNs;
      ring.push(forkRecord(CHILD, SHELL, t), execRecord(CHILD, t + 1n, "/bin/ls"));
      clock.nowNs += 5_000_000n;
      return [...scan(), found(CHILD, 100, "/bin/ls")];
    },
  });
  await run();
  assert.deepEqual(lines(events).slice(3), ["process_exec 200 /bin/ls <- 100"]);
});

Deno.test("Pipeline emits forks and ancestors only on request", async () => {
  const t = START_NS + 100_000_000n;
  const records = () => [forkRecord(CHILD, SHELL, t)];
  const without = setUp([new FakeRing(0, records())], { scan });
  await without.run();
  assert.equal(without.events.length, 3);
  const with_ = setUp([new FakeRing(0, records())], { scan, emitForks: true, ancestors: true });
  await with_.run();
  const fork = with_.events.at(-1);
  assert(fork?.type === "process_fork");
  assert.deepEqual(fork.ancestors?.map(({ process }) => process.tgid), [1, 0]);
  assert.equal(fork.subject.process.flags, "execve");
});

Deno.test("Pipeline marks a wrong tid and an unknown parent, and counts", async () => {
  const record = buildExitRecord({ ...header(CHILD, START_NS), tid: 201 }, { exitCode: 9 | 0x80 });
  const { run, events, counters } = setUp([new FakeRing(0, [record])]);
  await run();
  const [exit] = events;
  assert(exit?.type === "process_exit");
  assert.deepEqual(exit.marks, ["tid_mismatch", "parent_unknown"]);
  assert.deepEqual([exit.signal, exit.status, exit.coreDumped], ["SIGKILL", 0, true]);
  assert.equal(exit.subject.process.tgid, 200);
  const mismatch = counters.snapshot().find(({ name, labels }) =>
    name === "shrike_process_tid_mismatch_total" && labels["kind"] === "exit"
  );
  assert.equal(mismatch?.value, 1);
});

Deno.test("Pipeline turns records it cannot read into gap events and goes on", async () => {
  const cut = execRecord(CHILD, START_NS + 5n, "/bin/ls").subarray(0, 280).slice();
  new DataView(cut.buffer).setUint32(0, cut.length, true);
  const unknown = buildBareRecord({ timeNs: START_NS + 6n, kind: 0x0707 });
  const short = new Uint8Array(16);
  new DataView(short.buffer).setUint32(0, 16, true);
  const future = exitRecord(CHILD, 1n << 63n);
  const ring = new FakeRing(3, [cut, unknown, short, future, exitRecord(CHILD, START_NS + 7n)]);
  const { run, events, counters } = setUp([ring]);
  await run();
  assert.equal(counters.total("shrike_pipeline_malformed_total"), 4);
  const gaps = events.filter((event) => event.type === "gap");
  assert.deepEqual(
    gaps.map(({ cause, cpu, kind, count }) => ({ cause, cpu, kind, count })),
    [
      { cause: "malformed_record", cpu: 3, kind: "process_exec", count: 1 },
      { cause: "malformed_record", cpu: 3, kind: undefined, count: 3 },
    ],
  );
  assert.equal(gaps[0]?.firstTimeNs, WALL_OFFSET_NS + START_NS + 5n);
  assert.equal(events.filter(({ type }) => type === "process_exit").length, 1);
});

Deno.test("Pipeline reports losses of others, and those entered while it stops", async () => {
  let ticks = 0;
  const { run, events, losses, source } = setUp([new FakeRing(0)], {
    onTick: () => {
      ticks += 1;
    },
  });
  const add = (count: number) =>
    losses.add({ cause: "perf_ring_full", cpu: 0, count, firstNs: 1n, lastNs: 2n });
  add(7);
  let waits = 0;
  const before = source.onWait;
  source.onWait = (timeoutMs) => {
    assert(timeoutMs <= 1_001);
    before(timeoutMs);
    if (++waits === 31) add(3); // the wait in which the stop comes
  };
  await run();
  assert(ticks >= 2);
  assert.deepEqual(events.map((event) => event.type === "gap" && event.count), [7, 3]);
});

Deno.test("Pipeline flushes its outlets about once a second when nothing happens", async () => {
  const { run, flushCount } = setUp([new FakeRing(0)]);
  await run();
  assert(flushCount() >= 10, `${flushCount()} flushes in about 30 s`);
});

Deno.test("Pipeline tells what was missed before the run before what ran already", async () => {
  const { run, events, losses } = setUp([new FakeRing(0)], { scan });
  losses.addEarlier({
    cause: "agent_restart",
    count: 0,
    firstNs: START_NS - 3_000_000_000n,
    lastNs: START_NS,
  });
  await run();
  assert.deepEqual(events.map(({ type }) => type), ["gap", ...Array(3).fill("process_exec")]);
  const [gap] = events;
  assert(gap?.type === "gap");
  assert.deepEqual([gap.cause, gap.count], ["agent_restart", 0]);
  assert.equal(gap.firstTimeNs, WALL_OFFSET_NS + START_NS - 3_000_000_000n);
  assert.equal(gap.lastTimeNs, WALL_OFFSET_NS + START_NS);
});

Deno.test("Pipeline goes on when a sink throws, and counts it for that sink", async () => {
  const faulty: PipelineOutlet = {
    name: "faulty",
    push: () => {
      throw new Error("full");
    },
    flush: () => {
      throw new Error("closed");
    },
  };
  const { run, events, counters, sink } = setUp([new FakeRing(0)], { scan });
  await run([faulty, sink]);
  assert.equal(events.length, 3);
  assert(counters.total("shrike_pipeline_sink_failures_total") > 3);
});

Deno.test("Pipeline takes what is in the rings before it stops", async () => {
  const ring = new FakeRing(0);
  const { run, events, source } = setUp([ring, new FakeRing(1)]);
  const before = source.onWait;
  let waits = 0;
  source.onWait = (timeoutMs) => {
    before(timeoutMs);
    if (++waits === 31) {
      for (let at = 0n; at < 10_000n; at++) {
        ring.push(exitRecord({ tgid: 300 + Number(at), startNs: at }, START_NS + at));
      }
    }
  };
  await run();
  assert.equal(events.length, 10_000);
});

Deno.test("exitStatus() names signals by number and keeps the status of a plain exit", () => {
  const of = (exitCode: number) => {
    const { status, signal } = exitStatus({ exitCode });
    return `${status} ${signal}`;
  };
  assert.deepEqual([0, 255 << 8, 1, 15, 31, 33, 34, 64].map(of), [
    "0 ",
    "255 ",
    "0 SIGHUP",
    "0 SIGTERM",
    "0 SIGSYS",
    "0 SIG33",
    "0 SIGRTMIN",
    "0 SIGRTMIN+30",
  ]);
});
