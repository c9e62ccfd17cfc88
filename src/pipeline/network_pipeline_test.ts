import assert from "node:assert/strict";
import { FakeRecordSource, FakeRing } from "../../tests/support/fake_record_source.ts";
import { buildExecRecord, buildExitRecord } from "../../tests/support/record_builder.ts";
import { FakeClock, type Group } from "../../tests/support/sample_facts.ts";
import { socketChanged } from "../../tests/support/sample_network_facts.ts";
import { sampleFlow, sampleSocketEvent } from "../../tests/support/sample_network_events.ts";
import type { AgentEvent, SocketChanged, SocketEvent } from "../events/mod.ts";
import type { RecordDecoder } from "../sensors/sensor.ts";
import { processSensor } from "../sensors/process/sensor.ts";
import { ProcessCache } from "../state/mod.ts";
import { Counters, LossLedger } from "../telemetry/mod.ts";
import { RECORD_HEADER_SIZE, RecordHeaderOffset as Header } from "../wire/mod.ts";
import { type NetworkTeller, Pipeline, type PipelineOptions } from "./mod.ts";

const START_NS = 1_000_000_000n;
const CURL: Group = { tgid: 60, startNs: 900_000_000n };
const T = START_NS + 100_000_000n;
const KIND = 0x0401;

/** Records are a header; the facts they stand for are kept beside. */
const facts: SocketChanged[] = [];

function socketRecord(fact: SocketChanged): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(RECORD_HEADER_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(Header.size, bytes.length, true);
  view.setUint16(Header.kind, KIND, true);
  view.setBigUint64(Header.timeNs, fact.timeNs, true);
  view.setUint32(Header.tid, facts.push(fact) - 1, true);
  return bytes;
}

const decoder: RecordDecoder = {
  kind: KIND,
  name: "network_socket",
  decode: ({ view, offset }) => facts[view.getUint32(offset + Header.tid, true)]!,
};

const groupFields = ({ tgid, startNs }: Group) => ({ tgid, leaderStartNs: startNs });
const header = (timeNs: bigint) => ({ ...groupFields(CURL), tid: CURL.tgid, timeNs });
const execRecord = (timeNs: bigint) =>
  buildExecRecord({ header: header(timeNs) }, { filename: "/a", exe: "/a", argv: ["a"] });
const exitRecord = (timeNs: bigint) => buildExitRecord(header(timeNs), { exitCode: 0 });
const connectRecord = (timeNs: bigint, fields: Partial<SocketChanged> = {}) =>
  socketRecord(socketChanged({ ...groupFields(CURL), timeNs, ...fields }));

const ECHO: NetworkTeller = {
  take: (fact, isLate, context) => [sampleSocketEvent({ ...context(fact, isLate) })],
  expire: () => [],
  giveUp: () => [],
};

async function run(records: readonly Uint8Array[], options: PipelineOptions) {
  const clock = new FakeClock(START_NS, 1_000_000n);
  const counters = new Counters();
  const events: AgentEvent[] = [];
  let flushes = 0;
  const source = new FakeRecordSource([new FakeRing(0, [...records])]);
  const stop = new AbortController();
  let waits = 0;
  source.onWait = (timeoutMs) => {
    clock.nowNs += BigInt(timeoutMs) * 1_000_000n;
    if (++waits > 30) stop.abort();
  };
  const cache = new ProcessCache({ nodeName: "n", clock, counters });
  const pipeline = new Pipeline({
    ...{ source, counters, clock, cache, losses: new LossLedger() },
    decoders: [...processSensor.decoders, decoder],
    sinks: [{ name: "test", push: (event) => void events.push(event), flush: () => flushes++ }],
  }, options);
  await pipeline.run(stop.signal);
  return { events, counters, pipeline, cache, flushes: () => flushes };
}

Deno.test("Pipeline tells what a socket's process is, in the order of the stream", async () => {
  const { events } = await run(
    [execRecord(T), connectRecord(T + 1n), exitRecord(T + 2n)],
    { network: ECHO },
  );
  assert.deepEqual(events.map(({ type }) => type), [
    ...["process_exec", "process_connect", "process_exit"],
  ]);
  const [exec, connect] = events as [SocketEvent, SocketEvent];
  assert.equal(connect.subject.process, exec.subject.process);
  // The fact's cgroup is that of the socket's owner when it was seen: nobody has moved.
  assert.notEqual(connect.subject.process.cgroup.id, 9n);
});

Deno.test("Pipeline tells of a process that is not known without entering it", async () => {
  const { events, cache, counters } = await run([
    connectRecord(T, { tgid: 4_000, leaderStartNs: 7n }),
    connectRecord(T + 1n, { tgid: 0, leaderStartNs: 0n }),
  ], { network: ECHO });
  const [stranger, nobody] = events as SocketEvent[];
  assert.deepEqual(
    [stranger, nobody].map((event) => {
      const { tgid, unknown, cgroup } = event!.subject.process;
      return { tgid, unknown, cgroup: cgroup.id };
    }),
    [{ tgid: 4_000, unknown: true, cgroup: 9n }, { tgid: 0, unknown: true, cgroup: 9n }],
  );
  assert.deepEqual(stranger!.marks, ["parent_unknown"]);
  assert.equal(cache.find(4_000, 7n), undefined);
  assert.equal(counters.total("shrike_process_unseen_total"), 0);
});

Deno.test("Pipeline tells nothing of sockets without a teller", async () => {
  const { events } = await run([connectRecord(T)], {});
  assert.deepEqual(events, []);
});

Deno.test("Pipeline.tell() hands on events of no record, also when it has ended", async () => {
  const { events, pipeline, flushes, counters } = await run([execRecord(T)], {});
  const before = flushes();
  pipeline.tell([sampleFlow(), sampleFlow()]);
  assert.deepEqual(events.map(({ type }) => type), ["process_exec", "flow", "flow"]);
  assert.equal(flushes(), before + 1);
  assert.equal(counters.total("shrike_pipeline_events_total"), 3);
});

Deno.test("Pipeline tells who wants it of each process that changes, and what it is then", async () => {
  const told: string[] = [];
  const { pipeline } = await run([execRecord(T), connectRecord(T + 1n), exitRecord(T + 2n)], {
    onProcess: (fact, { process }) => void told.push(`${fact.type} ${process.binary.text}`),
  });
  assert.deepEqual(told, ["process_executed /a", "process_exited /a"]);
  assert.equal(pipeline.find(CURL.tgid, 1n), undefined);
});
