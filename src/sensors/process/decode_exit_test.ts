import { strictEqual, throws } from "node:assert/strict";
import { PROCESS_EXIT_SIZE, RecordView } from "../../wire/mod.ts";
import { buildExitRecord } from "../../../tests/support/record_builder.ts";
import { ExitDecoder } from "./decode_exit.ts";

function viewOf(record: Uint8Array, size = record.length): RecordView {
  const view = new RecordView();
  view.set(record, new DataView(record.buffer), 0, size);
  return view;
}

Deno.test("ExitDecoder.decode() reads status and last thread", () => {
  const record = buildExitRecord(
    { tgid: 42, timeNs: 0xffff_ffff_ffff_ffffn, leaderStartNs: 8n },
    { exitCode: 0x8b, lastTid: 44 },
  );
  const fact = new ExitDecoder().decode(viewOf(record));
  strictEqual(fact.type, "process_exited");
  strictEqual(fact.tgid, 42);
  strictEqual(fact.tid, 42);
  strictEqual(fact.timeNs, 0xffff_ffff_ffff_ffffn);
  strictEqual(fact.leaderStartNs, 8n);
  strictEqual(fact.exitCode, 0x8b);
  strictEqual(fact.lastTid, 44);
});

Deno.test("ExitDecoder.decode() refuses other sizes", () => {
  const record = buildExitRecord({ tgid: 1 });
  for (const size of [0, PROCESS_EXIT_SIZE - 1, PROCESS_EXIT_SIZE + 1]) {
    throws(() => new ExitDecoder().decode(viewOf(record, size)), RangeError);
  }
});
