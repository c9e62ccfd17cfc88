import assert from "node:assert/strict";
import { FakeRecordSource, FakeRing } from "../../tests/support/fake_record_source.ts";
import { buildExecRecord } from "../../tests/support/record_builder.ts";
import { cgroupFact, cgroupFound, type SampleCgroup } from "../../tests/support/sample_cgroups.ts";
import { SAMPLE_WORKLOAD } from "../../tests/support/sample_events.ts";
import { FakeClock, found, type Group } from "../../tests/support/sample_facts.ts";
import type { AgentEvent, CgroupFact } from "../events/mod.ts";
import type { RecordDecoder } from "../sensors/sensor.ts";
import { processSensor } from "../sensors/process/sensor.ts";
import { CgroupTable, ProcessCache } from "../state/mod.ts";
import { Counters, LossLedger } from "../telemetry/mod.ts";
import { RECORD_HEADER_SIZE, RecordHeaderOffset as Header } from "../wire/mod.ts";
import { Pipeline, type PipelineOptions } from "./mod.ts";

const START_NS = 1_000_000_000n;
const RUNC: Group = { tgid: 50, startNs: 5n };
const FIRST: Group = { tgid: 60, startNs: 900_000_000n };
const BOX: SampleCgroup = { id: 10n, path: "/box.scope" };

/** Records are a header; the facts they stand for are kept beside. */
class FactRecords {
  readonly #facts: CgroupFact[] = [];

  record(fact: CgroupFact): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(RECORD_HEADER_SIZE);
    const view = new DataView(bytes.buffer);
    view.setUint32(Header.size, bytes.length, true);
    view.setUint16(Header.kind, 0x0201, true);
    view.setBigUint64(Header.timeNs, fact.timeNs, true);
    view.setUint32(Header.tid, this.#facts.push(fact) - 1, true);
    return bytes;
  }

  get decoder(): RecordDecoder {
    return {
      kind: 0x0201,
      name: "cgroup_created",
      decode: ({ view, offset }) => this.#facts[view.getUint32(offset + Header.tid, true)]!,
    };
  }
}

const records = new FactRecords();

function execRecord(group: Group, cgroupId: bigint, timeNs: bigint, path: string) {
  const { tgid, startNs: leaderStartNs } = group;
  return buildExecRecord({ header: { tgid, leaderStartNs, timeNs, cgroupId, tid: tgid } }, {
    ...{ filename: path, exe: path, argv: [path] },
  });
}

async function run(rings: readonly FakeRing[], options: PipelineOptions = {}) {
  const clock = new FakeClock(START_NS, 1_000_000n);
  const counters = new Counters();
  const events: AgentEvent[] = [];
  const source = new FakeRecordSource(rings);
  const stop = new AbortController();
  let waits = 0;
  source.onWait = (timeoutMs) => {
    clock.nowNs += BigInt(timeoutMs) * 1_000_000n;
    if (++waits > 30) stop.abort();
  };
  const cgroups = new CgroupTable({ hierarchy: 0, counters });
  await new Pipeline({
    ...{ source, counters, clock, cgroups, losses: new LossLedger() },
    decoders: [...processSensor.decoders, records.decoder],
    cache: new ProcessCache({
      ...{ nodeName: "n", clock, counters },
      identityOf: (place, timeNs) => ({
        cgroup: cgroups.place(place, timeNs),
        workload: SAMPLE_WORKLOAD,
      }),
    }),
    sinks: [{ name: "test", push: (event) => void events.push(event), flush: () => {} }],
  }, options).run(stop.signal);
  return { events, cgroups };
}

Deno.test("Pipeline knows the cgroup of the first exec in it, whichever CPU told first", async () => {
  const t = START_NS + 100_000_000n;
  const { events } = await run([
    new FakeRing(0, [execRecord(FIRST, 10n, t + 5n, "/bin/first")]),
    new FakeRing(1, [records.record(cgroupFact("cgroup_created", BOX, t))]),
  ]);
  const [exec] = events;
  assert(exec?.type === "process_exec");
  assert.deepEqual(exec.subject.process.cgroup, {
    ...{ id: 10n, trackingId: 10n, level: 1, hierarchy: 0, path: "/box.scope" },
  });
  assert.equal(events.length, 1, "events of cgroups are told on request only");
});

Deno.test("Pipeline tells events of cgroups on request, with the process that acted", async () => {
  const t = START_NS + 100_000_000n;
  const made = { ...BOX, createdNs: t };
  const attached: bigint[] = [];
  const { events, cgroups } = await run([
    new FakeRing(0, [
      execRecord(RUNC, 0n, t - 1n, "/usr/bin/runc"),
      records.record(cgroupFact("cgroup_created", made, t)),
      records.record(cgroupFact("cgroup_attached", made, t + 1n)),
      records.record(cgroupFact("cgroup_removed", made, t + 2n)),
      records.record(cgroupFact("cgroup_removed", made, t + 3n)),
      records.record(cgroupFact("cgroup_released", made, t + 4n)),
      records.record(cgroupFact("cgroup_released", { ...made, id: 404n }, t + 5n)),
    ]),
  ], { emitCgroups: true, onAttached: ({ cgroup }) => void attached.push(cgroup.id) });
  const told = events.slice(1).map((event) => {
    assert(event.type !== "gap" && event.type !== "amend" && "cgroup" in event);
    return `${event.type} ${event.cgroup.id} ${event.cgroup.path} ${event.subject?.process.tgid}`;
  });
  assert.deepEqual(told, [
    "cgroup_created 10 /box.scope 50",
    "cgroup_attached 10 /box.scope 50",
    "cgroup_removed 10 /box.scope 50",
    "cgroup_released 10 /box.scope 50",
    "cgroup_released 404 /box.scope 50",
  ]);
  assert.deepEqual(attached, [10n]);
  assert.equal(cgroups.find(10n)?.state, "removed");
});

Deno.test("Pipeline walks cgroups before it scans processes, and enters each once", async () => {
  const ring = new FakeRing(0);
  const order: string[] = [];
  const inBox = { id: 10n, trackingId: 10n, level: 1, hierarchy: 0 };
  const { events, cgroups } = await run([ring], {
    emitCgroups: true,
    scanCgroups: () => {
      order.push("cgroups");
      // Made and seen by both while the walk is under way.
      ring.push(records.record(cgroupFact("cgroup_created", BOX, START_NS + 1n)));
      return [cgroupFound({ id: 1n, path: "/" }), cgroupFound(BOX)];
    },
    scan: () => {
      order.push("processes");
      return [{ ...found({ tgid: 1, startNs: 10_000_000n }, 0, "/sbin/init"), cgroup: inBox }];
    },
  });
  assert.deepEqual(order, ["cgroups", "processes"]);
  assert.equal(cgroups.size, 2);
  assert.equal(cgroups.find(10n)?.createdNs, START_NS + 1n);
  const init = events.find((event) =>
    event.type === "process_exec" && event.subject.process.tgid === 1
  );
  assert(init?.type === "process_exec");
  assert.equal(init.subject.process.cgroup.path, "/box.scope");
});
