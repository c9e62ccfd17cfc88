import assert from "node:assert/strict";
import { FakeRecordSource, FakeRing } from "../../tests/support/fake_record_source.ts";
import { buildExecRecord, buildExitRecord } from "../../tests/support/record_builder.ts";
import { FakeClock, type Group, WALL_OFFSET_NS } from "../../tests/support/sample_facts.ts";
import { policyHit } from "../../tests/support/sample_policy_hits.ts";
import { samplePolicyEvent } from "../../tests/support/sample_policy_events.ts";
import type { AgentEvent, PolicyEvent, PolicyHit, ProcessEventBase } from "../events/mod.ts";
import type { RecordDecoder } from "../sensors/sensor.ts";
import { processSensor } from "../sensors/process/sensor.ts";
import { ProcessCache } from "../state/mod.ts";
import { Counters, LossLedger } from "../telemetry/mod.ts";
import { RECORD_HEADER_SIZE, RecordHeaderOffset as Header } from "../wire/mod.ts";
import { type HitTeller, Pipeline } from "./mod.ts";

const START_NS = 1_000_000_000n;
const CAT: Group = { tgid: 60, startNs: 900_000_000n };
const T = START_NS + 100_000_000n;

/** Records are a header; the hits they stand for are kept beside. */
class HitRecords {
  readonly #hits: PolicyHit[] = [];

  record(hit: PolicyHit): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(RECORD_HEADER_SIZE);
    const view = new DataView(bytes.buffer);
    view.setUint32(Header.size, bytes.length, true);
    view.setUint16(Header.kind, 0x0301, true);
    view.setBigUint64(Header.timeNs, hit.timeNs, true);
    view.setUint32(Header.tid, this.#hits.push(hit) - 1, true);
    return bytes;
  }

  get decoder(): RecordDecoder {
    return {
      kind: 0x0301,
      name: "policy_hit",
      decode: ({ view, offset }) => this.#hits[view.getUint32(offset + Header.tid, true)]!,
    };
  }
}

const records = new HitRecords();

const execRecord = (timeNs: bigint, path: string) =>
  buildExecRecord({
    header: { tgid: CAT.tgid, tid: CAT.tgid, leaderStartNs: CAT.startNs, timeNs },
  }, { filename: path, exe: path, argv: [path] });

function lsmEvent(context: ProcessEventBase, { tid }: PolicyHit): PolicyEvent {
  return samplePolicyEvent({ ...context, type: "process_lsm", tid });
}

/** Tells every hit at once. */
const ECHO: HitTeller = {
  take: (hit, isLate, context) => [lsmEvent(context(hit, isLate), hit)],
  expire: () => [],
  giveUp: () => [],
};

async function run(ring: FakeRing, policies?: HitTeller) {
  const clock = new FakeClock(START_NS, 1_000_000n);
  const counters = new Counters();
  const events: AgentEvent[] = [];
  const source = new FakeRecordSource([ring]);
  const stop = new AbortController();
  let waits = 0;
  source.onWait = (timeoutMs) => {
    clock.nowNs += BigInt(timeoutMs) * 1_000_000n;
    if (++waits > 30) stop.abort();
  };
  await new Pipeline({
    ...{ source, counters, clock, losses: new LossLedger() },
    decoders: [...processSensor.decoders, records.decoder],
    cache: new ProcessCache({ nodeName: "n", clock, counters }),
    sinks: [{ name: "test", push: (event) => void events.push(event), flush: () => {} }],
  }, policies === undefined ? {} : { policies }).run(stop.signal);
  return { events, counters };
}

const hitAt = (timeNs: bigint, group = CAT, fields: Partial<PolicyHit> = {}) =>
  records.record(policyHit({ ...groupFields(group), timeNs, ...fields }));

const groupFields = ({ tgid, startNs }: Group) => ({ tgid, leaderStartNs: startNs });

Deno.test("Pipeline gives a hit the image that ran at that moment, in the order of the stream", async () => {
  const { events } = await run(
    new FakeRing(0, [
      execRecord(T, "/bin/sh"),
      hitAt(T + 1n, CAT, { tid: 61 }),
      execRecord(T + 2n, "/bin/cat"),
      hitAt(T + 3n),
      buildExitRecord({ ...groupFields(CAT), tid: CAT.tgid, timeNs: T + 4n }, { exitCode: 0 }),
    ]),
    ECHO,
  );
  const told = events.map((event) => {
    assert("subject" in event && event.subject !== undefined);
    return `${event.type} ${event.subject.process.binary.text} ${
      event.timeNs - WALL_OFFSET_NS - T
    }`;
  });
  assert.deepEqual(told, [
    "process_exec /bin/sh 0",
    "process_lsm /bin/sh 1",
    "process_exec /bin/cat 2",
    "process_lsm /bin/cat 3",
    "process_exit /bin/cat 4",
  ]);
  assert.equal((events[1] as PolicyEvent).tid, 61);
});

Deno.test("Pipeline enters the process of a hit that nothing has told of, once", async () => {
  const stranger: Group = { tgid: 77, startNs: 5n };
  const { events, counters } = await run(
    new FakeRing(0, [hitAt(T, stranger), hitAt(T + 1n, stranger)]),
    ECHO,
  );
  const [first, second] = events as PolicyEvent[];
  assert.equal(first!.subject.process.unknown, true);
  assert.equal(first!.subject.process.tgid, 77);
  assert.deepEqual(first!.marks, ["parent_unknown"]);
  assert.equal(second!.subject.process, first!.subject.process);
  assert.equal(counters.total("shrike_process_unseen_total"), 1);
});

Deno.test("Pipeline tells what waits for its call's end when it ends, and nothing without policies", async () => {
  let waiting: PolicyEvent | undefined;
  const expired: bigint[] = [];
  const { events } = await run(new FakeRing(0, [hitAt(T)]), {
    take: (hit, isLate, context) => {
      waiting = lsmEvent(context(hit, isLate), hit);
      return [];
    },
    expire: (nowNs) => {
      expired.push(nowNs);
      return [];
    },
    giveUp: () => waiting === undefined ? [] : [waiting],
  });
  assert.deepEqual(events.map(({ type }) => type), ["process_lsm"]);
  assert.ok(expired.length > 0);
  const { events: none } = await run(new FakeRing(0, [hitAt(T)]));
  assert.deepEqual(none, []);
});

Deno.test("ProcessCache.observe() knows idle and kernel tasks, and where a process has moved", () => {
  const clock = new FakeClock(START_NS);
  const cache = new ProcessCache({ nodeName: "n", clock, counters: new Counters() });
  assert.equal(cache.observe(policyHit({ tgid: 0 })), cache.kernel);
  const place = (id: bigint) => ({ id, trackingId: id, level: 1, hierarchy: 0 });
  const before = cache.observe(policyHit({ ...groupFields(CAT), cgroup: place(5n) })).process;
  assert.equal(before.cgroup.id, 5n);
  const after = cache.observe(policyHit({ ...groupFields(CAT), cgroup: place(6n) })).process;
  assert.equal(after.cgroup.id, 6n);
  assert.equal(after.execId, before.execId);
});
