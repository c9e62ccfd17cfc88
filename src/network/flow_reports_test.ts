import assert from "node:assert/strict";
import { eventually } from "../../tests/support/eventually.ts";
import { FakeNetworkKernel, sampleFlowRow } from "../../tests/support/fake_network_kernel.ts";
import { FakeTimers } from "../../tests/support/fake_timers.ts";
import { LoggedLines } from "../../tests/support/logged_lines.ts";
import { SAMPLE_WORKLOAD, sampleProcess, toReference } from "../../tests/support/sample_events.ts";
import { FakeClock, WALL_OFFSET_NS } from "../../tests/support/sample_facts.ts";
import type { FlowEvent, TaggedTuple, Workload } from "../events/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { flowEvent, type FlowEventsParts } from "./flow_events.ts";
import { FlowReports } from "./flow_reports.ts";
import { OTHER_ROW } from "./network_kernel.ts";
import { type ProcessContext, RecentProcesses } from "./recent_processes.ts";

const WEB: Workload = { ...SAMPLE_WORKLOAD, kind: "service", id: "web", name: "web" };
const TAGGED = { netNs: 1 } as TaggedTuple;
const PROCESS = sampleProcess({
  workload: WEB,
  cgroup: { id: 9n, trackingId: 8n, level: 1, hierarchy: 0 },
});
const PARENT = toReference(sampleProcess({ tgid: 1 }), 3);

function setUp(context?: ProcessContext) {
  const clock = new FakeClock(1_000n);
  const kernel = new FakeNetworkKernel();
  const timers = new FakeTimers();
  const log = new LoggedLines();
  const counters = new Counters();
  const told: FlowEvent[] = [];
  const bursts: number[] = [];
  const trace: string[] = [];
  const parts: FlowEventsParts = {
    clock,
    contextOf: (tgid, startNs) => tgid === 100 && startNs === 5n ? context : undefined,
    workloadOf: (id) => id === 8n ? WEB : undefined,
    tag: () => TAGGED,
  };
  const reports = new FlowReports({
    ...{ ...parts, kernel, counters, log, timers, intervalMs: 15_000 },
    refresh: () => Promise.resolve(void trace.push("refresh")),
    tell: (events) => {
      bursts.push(events.length);
      told.push(...events);
      trace.push("tell");
    },
    onTold: () => void trace.push("told"),
  });
  return { clock, kernel, timers, log, counters, told, bursts, trace, reports, parts };
}

Deno.test("flowEvent() tells who talked with whom, as of now", () => {
  const { parts } = setUp({ subject: toReference(PROCESS), parent: PARENT });
  const row = sampleFlowRow({ isEnded: true, connections: 2 });
  const event = flowEvent(row, { startNs: 500n, endNs: 9_000n }, parts);
  assert.deepEqual(event, {
    ...{ type: "flow", timeNs: WALL_OFFSET_NS + 9_000n, intervalNs: 8_500n },
    ...{ subject: toReference(PROCESS), parent: PARENT, workload: WEB, socket: TAGGED },
    ...{ isOther: false, isOutgoing: true, isStarted: true, isEnded: true, connections: 2 },
    ...{ firstTimeNs: WALL_OFFSET_NS + 1_000n, lastTimeNs: WALL_OFFSET_NS + 2_000n },
    ...{ counts: row.counts, marks: [] },
  });
});

Deno.test("flowEvent() does without a process, a peer and a workload that are not known", () => {
  const interval = { startNs: 0n, endNs: 1n };
  const { parts } = setUp({ subject: toReference(PROCESS) });
  const { tuple: _, isOutgoing: __, ...bare } = sampleFlowRow();
  const other = flowEvent({ ...bare, isOther: true }, interval, parts);
  assert.deepEqual(
    [other.isOther, other.subject, other.socket, other.isOutgoing, other.workload],
    [true, undefined, undefined, undefined, WEB],
  );
  const unknown = flowEvent(sampleFlowRow({ tgid: 0, trackingId: OTHER_ROW }), interval, parts);
  assert.equal(unknown.subject, undefined);
  assert.equal(unknown.workload.reason, "unknown_cgroup");
  // Its cgroup is forgotten, but the process tells.
  const late = flowEvent(sampleFlowRow({ trackingId: 99n }), interval, parts);
  assert.equal(late.workload, WEB);
});

Deno.test("flowEvent() says of a visitor of a cgroup whose it is", () => {
  const visitor: Workload = { ...SAMPLE_WORKLOAD, reason: "entered_from_outside" };
  const { parts } = setUp({ subject: toReference({ ...PROCESS, workload: visitor }) });
  const event = flowEvent(sampleFlowRow(), { startNs: 0n, endNs: 1n }, parts);
  assert.equal(event.workload, visitor);
});

Deno.test("FlowReports tells each interval once records of its processes are there", async () => {
  const { clock, kernel, timers, told, trace, reports } = setUp();
  reports.start();
  kernel.flows = [sampleFlowRow()];
  clock.nowNs = 15_000_001_000n;
  await timers.pass(15_100);
  assert.deepEqual(trace, ["refresh"], "rows are read, and wait");
  await timers.pass(200);
  assert.deepEqual(trace, ["refresh", "tell", "told"]);
  assert.equal(told[0]?.intervalNs, 15_000_000_000n);
  clock.nowNs = 30_000_001_000n;
  kernel.flows = [sampleFlowRow(), sampleFlowRow({ isOther: true })];
  await timers.pass(15_300);
  assert.equal(told.length, 3);
  assert.equal(told[2]?.intervalNs, 15_000_000_000n);
  await reports.end();
});

Deno.test("FlowReports.end() tells the rest at once, once, and nothing after", async () => {
  const { kernel, timers, told, reports, counters } = setUp();
  reports.start();
  kernel.flows = [sampleFlowRow({ isOther: true })];
  await reports.end();
  assert.equal(told.length, 1);
  assert.equal(counters.total("shrike_network_flows_folded_total"), 1);
  assert.equal(timers.size, 0);
  kernel.flows = [sampleFlowRow()];
  await reports.end();
  await timers.pass(60_000);
  assert.equal(told.length, 1);
});

Deno.test("FlowReports.end() waits for the report under way and tells what came after it", async () => {
  const { kernel, timers, told, reports } = setUp();
  reports.start();
  kernel.flows = [sampleFlowRow({ connections: 1 })];
  await timers.pass(15_000);
  kernel.flows = [sampleFlowRow({ connections: 2 })];
  const ended = reports.end();
  await timers.pass(300);
  await ended;
  assert.deepEqual(told.map(({ connections }) => connections), [1, 2]);
  assert.equal(timers.size, 0);
});

Deno.test("FlowReports hands many rows over in bursts", async () => {
  const { kernel, told, bursts, reports } = setUp();
  kernel.flows = Array.from({ length: 1_200 }, () => sampleFlowRow());
  await reports.end();
  assert.deepEqual(bursts, [512, 512, 176]);
  assert.equal(told.length, 1_200);
});

Deno.test("FlowReports goes on after a read that failed, and says so once", async () => {
  const { kernel, timers, told, log, counters, reports } = setUp();
  const drain = kernel.drainFlows.bind(kernel);
  let failures = 2;
  kernel.drainFlows = () => failures-- > 0 ? Promise.reject(new Error("EIO")) : drain();
  kernel.flows = [sampleFlowRow()];
  reports.start();
  for (let i = 0; i < 3; i++) await timers.pass(15_300);
  await eventually(() => told.length === 1, "the flows come with the next read");
  assert.deepEqual(log.lines, ["error Cannot read flows: EIO"]);
  assert.equal(counters.total("shrike_network_flow_reads_failed_total"), 2);
  await reports.end();
});

Deno.test("RecentProcesses keeps what has ended for one interval and the next, up to a bound", () => {
  const counters = new Counters();
  const recent = new RecentProcesses(counters);
  const context = { subject: toReference(PROCESS) };
  recent.note(100, 5n, context);
  assert.equal(recent.find(100, 5n), context);
  assert.equal(recent.find(100, 6n), undefined);
  recent.turn();
  assert.equal(recent.find(100, 5n), context);
  recent.turn();
  assert.equal(recent.find(100, 5n), undefined);
  for (let i = 0; i < 8_193; i++) recent.note(i, 1n, context);
  assert.equal(recent.find(8_191, 1n), context);
  assert.equal(recent.find(8_192, 1n), undefined);
  assert.equal(counters.total("shrike_network_ended_processes_dropped_total"), 1);
});
