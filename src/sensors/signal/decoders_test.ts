import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import {
  RecordHeaderOffset,
  RecordView,
  SIGNAL_OOM_SIZE,
  SIGNAL_SENT_SIZE,
  SignalFlag,
  SignalOomOffset,
  SignalReport,
  SignalSentOffset,
} from "../../wire/mod.ts";
import { OomDecoder } from "./decode_oom.ts";
import { SignalDecoder } from "./decode_signal.ts";
import { signalSensor } from "./sensor.ts";

function viewOf(size: number, fill: (view: DataView) => void, said = size): RecordView {
  const view = new DataView(new ArrayBuffer(size));
  view.setUint32(RecordHeaderOffset.tgid, 42, true);
  view.setUint32(RecordHeaderOffset.tid, 43, true);
  fill(view);
  const record = new RecordView();
  record.set(new Uint8Array(view.buffer), view, 0, said);
  return record;
}

function signalOf(flags: number, senderTgid: number) {
  return new SignalDecoder().decode(viewOf(SIGNAL_SENT_SIZE, (view) => {
    view.setUint32(SignalSentOffset.signal, 15, true);
    view.setInt32(SignalSentOffset.code, -6, true);
    view.setUint32(SignalSentOffset.signalFlags, flags, true);
    view.setUint32(SignalSentOffset.senderTgid, senderTgid, true);
    view.setUint32(SignalSentOffset.senderTid, 8, true);
    view.setBigUint64(SignalSentOffset.senderStartNs, 9n, true);
  }));
}

Deno.test("SignalDecoder.decode() reads target, signal, sender and fate", () => {
  const fact = signalOf(SignalFlag.SIGNAL_FATAL | SignalFlag.SIGNAL_SENDER_UNSURE, 7);
  deepStrictEqual([fact.tgid, fact.tid, fact.signal, fact.code], [42, 43, 15, -6]);
  deepStrictEqual(fact.sender, { tgid: 7, tid: 8, leaderStartNs: 9n, isUnsure: true });
  deepStrictEqual([fact.isFatal, fact.isToThread, fact.fate], [true, false, "delivered"]);
  const { SIGNAL_IGNORED, SIGNAL_PENDING, SIGNAL_LOST, SIGNAL_BLOCKED } = SignalFlag;
  deepStrictEqual(
    [SIGNAL_IGNORED, SIGNAL_PENDING, SIGNAL_LOST, SIGNAL_BLOCKED].map((flag) =>
      signalOf(flag, 0).fate
    ),
    ["ignored", "pending_already", "queue_full", "blocked"],
  );
  strictEqual(signalOf(SignalFlag.SIGNAL_FROM_KERNEL, 0).sender, undefined);
});

Deno.test("OomDecoder.decode() reads limit and use in bytes, or that nothing is limited", () => {
  const decode = (cgroupId: bigint) =>
    new OomDecoder().decode(viewOf(SIGNAL_OOM_SIZE, (view) => {
      view.setBigUint64(SignalOomOffset.limitCgroupId, cgroupId, true);
      view.setBigUint64(SignalOomOffset.limitPages, 3n, true);
      view.setBigUint64(SignalOomOffset.usagePages, 2n, true);
      view.setUint32(SignalOomOffset.limitCgroupLevel, 1, true);
      view.setUint32(SignalOomOffset.limitHierarchy, 5, true);
      view.setUint32(SignalOomOffset.pageSize, 16384, true);
    }));
  strictEqual(decode(0n).memory, undefined);
  deepStrictEqual(decode(6n).memory, {
    ...{ cgroupId: 6n, cgroupLevel: 1, hierarchy: 5 },
    ...{ limitBytes: 49152n, usageBytes: 32768n },
  });
});

Deno.test("decoders of signals refuse other sizes", () => {
  for (const size of [0, 64, SIGNAL_SENT_SIZE - 1, SIGNAL_SENT_SIZE + 8]) {
    throws(() => new SignalDecoder().decode(viewOf(200, () => {}, size)), RangeError);
  }
  for (const size of [0, 64, SIGNAL_OOM_SIZE - 1, SIGNAL_OOM_SIZE + 8]) {
    throws(() => new OomDecoder().decode(viewOf(200, () => {}, size)), RangeError);
  }
});

Deno.test("signal sensor sets the object's variables from its settings", () => {
  deepStrictEqual(signalSensor.globals({}), { signal_reports: SignalReport.SIGNAL_REPORT_FATAL });
  deepStrictEqual(signalSensor.globals({ report_all: true, page_size: 65536 }), {
    ...{ signal_reports: SignalReport.SIGNAL_REPORT_ALL, page_size: 65536 },
  });
});
