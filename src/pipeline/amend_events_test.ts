import assert from "node:assert/strict";
import { FakeRecordSource, FakeRing } from "../../tests/support/fake_record_source.ts";
import { buildExecRecord } from "../../tests/support/record_builder.ts";
import { FakeClock } from "../../tests/support/sample_facts.ts";
import type { AgentEvent, Workload } from "../events/mod.ts";
import { processSensor } from "../sensors/process/sensor.ts";
import { ProcessCache } from "../state/mod.ts";
import { Counters, LossLedger } from "../telemetry/mod.ts";
import { Pipeline } from "./mod.ts";

const START_NS = 1_000_000_000n;
const PENDING: Workload = {
  ...{ kind: "container", name: "0123456789ab", id: "0123456789ab", source: "pending" },
  reason: "lookup_running",
};
const { reason: _, ...SETTLED } = PENDING;
const WEB: Workload = { ...SETTLED, name: "web", source: "runtime" };

function execRecord(tgid: number, timeNs: bigint) {
  return buildExecRecord({
    header: { tgid, tid: tgid, leaderStartNs: timeNs - 5n, timeNs, cgroupId: 10n },
  }, { filename: "/bin/true", exe: "/bin/true", argv: ["true"] });
}

/** Runs until the records are through, then does `work`, then ends. */
async function run(records: number, work: (pipeline: Pipeline) => void): Promise<AgentEvent[]> {
  const clock = new FakeClock(START_NS, 1_000_000n);
  const counters = new Counters();
  const events: AgentEvent[] = [];
  const stop = new AbortController();
  const bytes = Array.from(
    { length: records },
    (_, i) => execRecord(100 + i, START_NS + BigInt(i) * 1_000n),
  );
  const source = new FakeRecordSource([new FakeRing(0, bytes)]);
  const cache = new ProcessCache({
    ...{ nodeName: "n", clock, counters },
    identityOf: (place) => ({ cgroup: { ...place, trackingId: 8n }, workload: PENDING }),
  });
  const pipeline = new Pipeline({
    ...{ source, counters, clock, cache, losses: new LossLedger() },
    decoders: processSensor.decoders,
    sinks: [{ name: "test", push: (event) => void events.push(event), flush: () => {} }],
  });
  let waits = 0;
  source.onWait = (timeoutMs) => {
    clock.nowNs += BigInt(timeoutMs) * 1_000_000n;
    if (++waits === 10) work(pipeline);
    if (waits > 20) stop.abort();
  };
  await pipeline.run(stop.signal);
  return events;
}

Deno.test("Pipeline.amend() tells what was learned for each event that went without it", async () => {
  const events = await run(2, (pipeline) => pipeline.amend(8n, WEB));
  const [first, second, ...amends] = events;
  assert(first?.type === "process_exec" && second?.type === "process_exec");
  assert.equal(first.subject.process.workload, PENDING);
  assert.deepEqual(
    amends.map((event) =>
      event.type === "amend" && { execId: event.execId, workload: event.workload }
    ),
    [first, second].map(({ subject }) => ({ execId: subject.process.execId, workload: WEB })),
  );
});

Deno.test("Pipeline.amend() tells each event the workload as its own place has it", async () => {
  const inner = { runtime: "docker", id: "b".repeat(64) };
  const deeper: Workload = { ...WEB, inner };
  const events = await run(
    1,
    (pipeline) => pipeline.amend(8n, WEB, ({ id }) => id === 10n ? deeper : WEB),
  );
  assert.deepEqual(
    events.map((event) => event.type === "amend" && event.workload),
    [false, deeper],
  );
});

Deno.test("Pipeline.amend() says nothing when only a reason was learned", async () => {
  const events = await run(
    1,
    (pipeline) => pipeline.amend(8n, { ...PENDING, source: "kernel", reason: "no_runtime" }),
  );
  assert.deepEqual(events.map(({ type }) => type), ["process_exec"]);
});

Deno.test("Pipeline.amend() of another workload tells nothing", async () => {
  const events = await run(1, (pipeline) => pipeline.amend(9n, WEB));
  assert.deepEqual(events.map(({ type }) => type), ["process_exec"]);
});

Deno.test("Pipeline.forget() gives up what waited for a name", async () => {
  const events = await run(1, (pipeline) => {
    pipeline.forget(8n);
    pipeline.amend(8n, WEB);
  });
  assert.deepEqual(events.map(({ type }) => type), ["process_exec"]);
});
