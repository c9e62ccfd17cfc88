import assert from "node:assert/strict";
import type { AgentEvent, GapEvent } from "../events/mod.ts";
import { type Clock, Counters, LossLedger } from "../telemetry/mod.ts";
import { FakeWriter, promiseSteps } from "../../tests/support/fake_writer.ts";
import {
  sampleExec,
  sampleExit,
  sampleGap,
  sampleProcess,
} from "../../tests/support/sample_events.ts";
import { PENDING_WEB } from "../../tests/support/sample_workloads.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { EventFilter } from "./event_filter.ts";
import { JsonEncoder } from "./json_encoder.ts";
import type { LineEncoder } from "./line_encoder.ts";
import { StreamSink, type StreamSinkOptions } from "./stream_sink.ts";

/** Lines such as `exec 17`, so that tests see which event came out. */
const NUMBERED: LineEncoder = {
  header: "",
  encode: (event) =>
    event.type === "gap"
      ? `gap ${event.count}\n`
      : event.type === "amend"
      ? `${event.type} ${event.execId}\n`
      : `${event.type} ${event.subject?.process.tgid}\n`,
};

const PAD = "x".repeat(982);
/** Lines of exactly 1000 bytes. */
const WIDE: LineEncoder = {
  header: "",
  encode: (event) => `${String((event as GapEvent).count ?? 0).padStart(17, "0")}${PAD}\n`,
};

function open(options: Partial<StreamSinkOptions> = {}) {
  const writer = new FakeWriter();
  const counters = new Counters();
  const losses = new LossLedger();
  const now = { ns: 1000n };
  const clock: Clock = {
    monotonicNs: () => now.ns,
    boottimeNs: () => now.ns,
    wallNs: (ns) => ns,
  };
  const sink = new StreamSink({
    name: "stdout",
    writer,
    encoder: NUMBERED,
    counters,
    losses,
    clock,
    closeTimeoutMs: 50,
    ...options,
  });
  const count = (name: string) => counters.total(`shrike_export_${name}`);
  return { sink, writer, losses, now, count };
}

function exec(tgid: number): AgentEvent {
  return sampleExec(sampleProcess({ tgid }));
}

Deno.test("StreamSink.flush() writes at once what has room and counts it", () => {
  const { sink, writer, count } = open();
  writer.room = 4096;
  sink.push(exec(1));
  sink.push(exec(2));
  assert.equal(writer.written, "");
  sink.flush();
  assert.equal(writer.written, "process_exec 1\nprocess_exec 2\n");
  assert.equal(writer.waiting.length, 0);
  assert.deepEqual([count("events_total"), count("bytes_total")], [2, 30]);
});

Deno.test("StreamSink.flush() leaves the rest to the thread pool when room ends", async () => {
  const { sink, writer, count } = open({ encoder: WIDE });
  writer.room = 4096;
  for (let n = 0; n < 60; n++) sink.push(sampleGap({ count: n }));
  writer.room = 0;
  sink.flush();
  assert.equal(writer.waiting.length, 1);
  await writer.answer(30_500);
  assert.equal(count("events_total"), 0, "the batch is not out yet");
  await writer.answer(Infinity);
  assert.deepEqual([count("events_total"), count("bytes_total")], [60, 60_000]);
  assert.deepEqual(writer.written.split("\n").map(Number.parseFloat).slice(0, 60), [
    ...Array(60).keys(),
  ]);
});

Deno.test("StreamSink.flush() writes a bounded part on the main thread", () => {
  const { sink, writer } = open({
    encoder: { header: "", encode: () => "x".repeat(99_999) + "\n" },
  });
  writer.room = 1000;
  sink.push(exec(1));
  sink.flush();
  assert.equal(writer.syncWrites, 66);
  assert.equal(writer.waiting[0]?.size, 34_000);
});

Deno.test("StreamSink keeps at most one write under way and new lines behind it", async () => {
  const { sink, writer } = open();
  sink.push(exec(1));
  sink.flush();
  sink.push(exec(2));
  sink.flush();
  sink.push(exec(3));
  assert.equal(writer.waiting.length, 1);
  await writer.answer(4);
  assert.equal(writer.waiting.length, 1, "the rest of the first line");
  await writer.answer(Infinity);
  await writer.answer(Infinity);
  assert.equal(writer.written, "process_exec 1\nprocess_exec 2\nprocess_exec 3\n");
  assert.equal(writer.waiting.length, 0);
  sink.push(exec(4));
  sink.flush();
  await writer.answer(Infinity);
  assert.match(writer.written, /process_exec 4\n$/);
});

Deno.test("StreamSink.push() starts writing when much has gathered", () => {
  const { sink, writer } = open({ encoder: WIDE });
  for (let n = 0; n < 65; n++) sink.push(sampleGap());
  assert.equal(writer.waiting.length, 0);
  sink.push(sampleGap());
  assert.equal(writer.waiting.length, 1);
});

Deno.test("StreamSink.push() drops whole lines that do not fit and enters the loss", async () => {
  const { sink, writer, losses, now, count } = open({ encoder: WIDE, queueSizeMax: 10_500 });
  const process = sampleProcess();
  for (let n = 0; n < 12; n++) sink.push(sampleExec(process));
  now.ns = 5000n;
  sink.push(sampleExit(process));
  sink.push(sampleExec(process));
  assert.deepEqual(losses.take(), [], "entered with the next flush");
  sink.flush();
  const common = { cause: "sink_queue_full", sink: "stdout", lastNs: 5000n };
  assert.deepEqual(losses.take(), [
    { ...common, kind: "process_exec", count: 3, firstNs: 1000n },
    { ...common, kind: "process_exit", count: 1, firstNs: 5000n },
  ]);
  assert.equal(count("dropped_total"), 4);
  assert.equal(count("queue_bytes"), 10_000);
  sink.push(sampleExec(process));
  assert.equal(count("dropped_total"), 5, "bytes being written count as waiting");
  await writer.answer(Infinity);
  sink.push(sampleExec(process));
  assert.equal(count("dropped_total"), 5);
  assert.equal(count("queue_bytes"), 1000);
});

Deno.test("StreamSink.push() bounds the number of events too, but not for gaps", () => {
  const { sink, count } = open({ queueEventsMax: 3 });
  for (let tgid = 0; tgid < 5; tgid++) sink.push(exec(tgid));
  assert.equal(count("dropped_total"), 2);
  sink.push(sampleGap());
  assert.equal(count("dropped_total"), 2);
});

Deno.test("StreamSink.push() keeps room for gaps in a full queue, within a bound", () => {
  const { sink, count } = open({ encoder: WIDE, queueSizeMax: 10_000 });
  for (let n = 0; n < 20; n++) sink.push(exec(n));
  assert.equal(count("dropped_total"), 10);
  for (let n = 0; n < 200; n++) sink.push(sampleGap());
  assert.equal(count("dropped_total"), 10 + 200 - 65);
});

Deno.test("StreamSink.push() asks the filter and counts what it leaves out", () => {
  const counters = new Counters();
  const { sink, writer, count } = open({ filter: new EventFilter(["pid=1"], { counters }) });
  writer.room = 4096;
  for (const tgid of [1, 2, 1]) sink.push(exec(tgid));
  sink.flush();
  assert.equal(writer.written, "process_exec 1\nprocess_exec 1\n");
  assert.equal(count("filtered_total"), 1);
});

Deno.test("StreamSink holds what waits for a name until flush() finds that time is up", () => {
  const counters = new Counters();
  const filter = new EventFilter(["container!=db"], { counters });
  const { sink, writer, now, count } = open({ filter });
  writer.room = 4096;
  sink.push(sampleExec(sampleProcess({ tgid: 1, workload: PENDING_WEB })));
  sink.push(exec(2));
  sink.flush();
  assert.equal(writer.written, "process_exec 2\n");
  now.ns += 2_000_000_000n;
  sink.flush();
  assert.equal(writer.written, "process_exec 2\nprocess_exec 1\n");
  assert.deepEqual([count("filter_undecided_total"), count("filtered_total")], [1, 0]);
});

Deno.test("StreamSink.close() writes what still waits for a name", async () => {
  const counters = new Counters();
  const filter = new EventFilter(["container!=db"], { counters });
  const { sink, writer } = open({ filter });
  writer.room = 4096;
  sink.push(sampleExec(sampleProcess({ tgid: 1, workload: PENDING_WEB })));
  await sink.close();
  assert.equal(writer.written, "process_exec 1\n");
});

Deno.test("StreamSink ends when the reader is gone and counts what was not written", async () => {
  const { sink, writer, count } = open();
  sink.push(exec(1));
  sink.push(exec(2));
  sink.flush();
  sink.push(exec(3));
  await writer.answer(16);
  await writer.answer(new Deno.errors.BrokenPipe("gone"));
  assert.deepEqual(await sink.ended, { reason: "reader_gone" });
  assert.deepEqual([count("events_total"), count("dropped_total")], [1, 2]);
  sink.push(exec(4));
  sink.flush();
  assert.equal(count("dropped_total"), 3);
  assert.equal(writer.waiting.length, 0);
  await sink.close();
});

Deno.test("StreamSink ends with the error when a write fails otherwise", async () => {
  const { sink, writer } = open();
  sink.push(exec(1));
  sink.flush();
  const error = new Error("disk full");
  await writer.answer(error);
  assert.deepEqual(await sink.ended, { reason: "write_failed", error });
});

Deno.test("StreamSink tries a failed write again when it is told to, and loses nothing", async () => {
  const seen: string[] = [];
  const { sink, writer, count } = open({
    onWriteFailed: (error) => seen.push((error as Error).message) > 0,
    onWriteWorks: () => seen.push("works"),
  });
  sink.push(exec(1));
  sink.flush();
  await writer.answer(new Error("disk full"));
  sink.push(exec(2));
  assert.equal(count("dropped_total"), 0);
  // close() ends the pause before the next try.
  const closed = sink.close();
  await promiseSteps();
  await writer.answer(1000);
  await writer.answer(1000);
  await closed;
  assert.deepEqual(await sink.ended, { reason: "closed" });
  assert.equal(writer.written, "process_exec 1\nprocess_exec 2\n");
  assert.deepEqual(seen, ["disk full", "works"]);
  assert.equal(count("failed_writes_total"), 1);
});

Deno.test("StreamSink.close() says that writes still failed", async () => {
  const error = new Error("disk full");
  const { sink, writer, count } = open({ onWriteFailed: () => true });
  sink.push(exec(1));
  sink.flush();
  await writer.answer(error);
  await sink.close();
  assert.deepEqual(await sink.ended, { reason: "write_failed", error });
  assert.equal(count("dropped_total"), 1);
});

Deno.test("StreamSink ends when a write on the main thread fails", async () => {
  const { sink, writer } = open();
  writer.room = 4096;
  writer.writeSync = () => {
    throw new Deno.errors.BrokenPipe("gone");
  };
  sink.push(exec(1));
  sink.flush();
  assert.deepEqual(await sink.ended, { reason: "reader_gone" });
});

Deno.test("StreamSink tries again when the descriptor is non-blocking and full", async () => {
  const { sink, writer, count } = open();
  sink.push(exec(1));
  sink.flush();
  await writer.answer(new Deno.errors.WouldBlock("full"));
  const deadline = Date.now() + 5000;
  while (writer.waiting.length === 0 && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await writer.answer(Infinity);
  assert.equal(writer.written, "process_exec 1\n");
  assert.equal(count("dropped_total"), 0);
});

Deno.test("StreamSink.close() writes what is left", async () => {
  const { sink, writer } = open();
  sink.push(exec(1));
  const closed = sink.close();
  sink.push(exec(2));
  await writer.answer(Infinity);
  await writer.answer(Infinity);
  await closed;
  assert.deepEqual(await sink.ended, { reason: "closed" });
  assert.equal(writer.written, "process_exec 1\nprocess_exec 2\n");
});

Deno.test("StreamSink.close() gives up on a reader that does not read", async () => {
  const { sink, count } = open();
  sink.push(exec(1));
  await sink.close();
  assert.deepEqual(await sink.ended, { reason: "closed" });
  assert.equal(count("dropped_total"), 1);
  await sink.close();
});

Deno.test("StreamSink writes the header first and counts no event for it", async () => {
  const { sink, writer, count } = open({ encoder: { ...NUMBERED, header: "HEAD\n" } });
  sink.push(exec(1));
  sink.flush();
  await writer.answer(Infinity);
  assert.equal(writer.written, "HEAD\nprocess_exec 1\n");
  assert.equal(count("events_total"), 1);
  const gone = open({ encoder: { ...NUMBERED, header: "HEAD\n" } });
  gone.sink.push(exec(1));
  gone.sink.flush();
  await gone.writer.answer(new Deno.errors.BrokenPipe("gone"));
  assert.equal(gone.count("dropped_total"), 1);
});

Deno.test("StreamSink writes every accepted line once and in order for any reader", async () => {
  const random = SeededRandom.fromEnvironment("stream_sink_test");
  for (let round = 0; round < 50; round++) {
    const { sink, writer, count } = open({
      queueSizeMax: 500 + random.below(2000),
      encoder: {
        header: "",
        encode: (event) => `${"é".repeat(random.below(40))}${(event as GapEvent).count}\n`,
      },
    });
    let pushed = 0;
    for (let step = 0; step < 300; step++) {
      writer.room = random.chance(0.3) ? 1 + random.below(300) : 0;
      if (random.chance(0.7)) sink.push({ ...exec(1), count: pushed++ } as unknown as AgentEvent);
      if (random.chance(0.3)) sink.flush();
      if (random.chance(0.2) && writer.waiting.length > 0) await writer.answer(random.below(800));
    }
    sink.flush();
    while (writer.waiting.length > 0) await writer.answer(Infinity);
    const numbers = writer.written.replaceAll("é", "").trimEnd().split("\n").map(Number);
    assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));
    assert.equal(new Set(numbers).size, numbers.length);
    assert.equal(numbers.length, count("events_total"));
    assert.equal(count("events_total") + count("dropped_total"), pushed);
    assert.equal(count("queue_bytes"), 0);
  }
});

Deno.test("StreamSink writes JSON lines that parse", () => {
  const encoder = new JsonEncoder({
    nodeName: "node",
    enableProcessCred: false,
    enableProcessNs: false,
  });
  const { sink, writer } = open({ encoder });
  writer.room = 4096;
  sink.push(exec(1));
  sink.push(sampleGap());
  sink.flush();
  const keys = writer.written.trimEnd().split("\n").map((line) => Object.keys(JSON.parse(line))[0]);
  assert.deepEqual(keys, ["process_exec", "gap"]);
});
