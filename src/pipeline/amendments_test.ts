import assert from "node:assert/strict";
import { sampleProcess } from "../../tests/support/sample_events.ts";
import type { Process, Workload, WorkloadReason } from "../events/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { Amendments } from "./amendments.ts";

function container(reason?: WorkloadReason): Workload {
  return {
    ...{ kind: "container", name: "web", id: "0123", source: "pending" },
    ...(reason !== undefined && { reason }),
  };
}

function processIn(trackingId: bigint, execId: string, workload: Workload): Process {
  return sampleProcess({
    execId,
    workload,
    cgroup: { id: 99n, trackingId, level: 1, hierarchy: 0 },
  });
}

Deno.test("Amendments.take() gives the events that went out with a workload not known for good", () => {
  const amendments = new Amendments(new Counters());
  amendments.note(processIn(1n, "a", container("lookup_running")));
  amendments.note(processIn(1n, "b", container()));
  amendments.note(processIn(2n, "c", container("runtime_failed")));
  const known = container();
  assert.deepEqual(amendments.take(1n, known).map(({ execId }) => execId), ["a"]);
  assert.deepEqual(amendments.take(1n, known), [], "an event is amended once for good");
  assert.deepEqual(amendments.take(2n, known).map(({ execId }) => execId), ["c"]);
});

Deno.test("Amendments.take() keeps events of which nothing was learned but a reason", () => {
  const counters = new Counters();
  const amendments = new Amendments(counters);
  amendments.note(processIn(1n, "a", container("lookup_running")));
  for (const reason of ["runtime_failed", "no_runtime", "unknown_to_runtime"] as const) {
    assert.deepEqual(amendments.take(1n, container(reason)), [], reason);
  }
  assert.equal(counters.total("shrike_pipeline_amendments_total"), 0);
  assert.deepEqual(amendments.take(1n, container()).map(({ execId }) => execId), ["a"]);
  assert.equal(counters.total("shrike_pipeline_amendments_total"), 1);
});

Deno.test("Amendments.take() gives events whose workload is another one, not known for good either", () => {
  const amendments = new Amendments(new Counters());
  amendments.note(processIn(1n, "a", container("lookup_running")));
  const renamed: Workload = { ...container("lookup_running"), id: "4567" };
  assert.deepEqual(amendments.take(1n, renamed).map(({ execId }) => execId), ["a"]);
  assert.deepEqual(amendments.take(1n, renamed), [], "the same is told once");
  amendments.note(processIn(1n, "b", renamed));
  assert.deepEqual(amendments.take(1n, container()).map(({ execId }) => execId), ["a", "b"]);
});

Deno.test("Amendments.note() counts what it has no room for", () => {
  const counters = new Counters();
  const amendments = new Amendments(counters);
  const pending = container("lookup_running");
  for (let i = 0; i < 1025; i++) amendments.note(processIn(1n, `${i}`, pending));
  assert.equal(counters.total("shrike_pipeline_amendments_dropped_total"), 1);
  assert.equal(amendments.take(1n, container()).length, 1024);
  for (let id = 0n; id < 20n; id++) {
    for (let i = 0; i < 1024; i++) amendments.note(processIn(id, `${i}`, pending));
  }
  assert.equal(counters.total("shrike_pipeline_amendments_dropped_total"), 1 + 4 * 1024);
  amendments.forget(0n);
  amendments.note(processIn(50n, "again", pending));
  assert.equal(amendments.take(50n, container()).length, 1, "what is forgotten makes room");
});
