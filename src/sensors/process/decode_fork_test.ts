import { strictEqual, throws } from "node:assert/strict";
import { PROCESS_FORK_SIZE, ProcessFlag, RecordView } from "../../wire/mod.ts";
import { buildForkRecord } from "../../../tests/support/record_builder.ts";
import { ForkDecoder } from "./decode_fork.ts";

function viewOf(record: Uint8Array, size = record.length): RecordView {
  const view = new RecordView();
  view.set(record, new DataView(record.buffer), 0, size);
  return view;
}

Deno.test("ForkDecoder.decode() reads child, parent, credentials and namespaces", () => {
  const record = buildForkRecord(
    {
      header: { tgid: 42, cpu: 1, timeNs: 9n, leaderStartNs: 8n, namespaceTgid: 2, cgroupLevel: 3 },
      credentials: { uid: 5, capEffective: 1n << 40n },
      namespaces: { net: 4026531840 },
    },
    {
      parentTgid: 41,
      parentTid: 40,
      parentStartNs: 7n,
      pidNsLevel: 1,
      processFlags: ProcessFlag.PROCESS_PARENT_KERNEL,
    },
  );
  const fact = new ForkDecoder().decode(viewOf(record));
  strictEqual(fact.type, "process_forked");
  strictEqual(fact.tgid, 42);
  strictEqual(fact.tid, 42);
  strictEqual(fact.namespaceTgid, 2);
  strictEqual(fact.timeNs, 9n);
  strictEqual(fact.leaderStartNs, 8n);
  strictEqual(fact.cgroup.level, 3);
  strictEqual(fact.parentTgid, 41);
  strictEqual(fact.parentTid, 40);
  strictEqual(fact.parentStartNs, 7n);
  strictEqual(fact.parentIsKernel, true);
  strictEqual(fact.pidNsLevel, 1);
  strictEqual(fact.credentials.uid, 5);
  strictEqual(fact.credentials.capEffective, 1n << 40n);
  strictEqual(fact.namespaces.net, 4026531840);
});

Deno.test("ForkDecoder.decode() refuses other sizes", () => {
  const record = buildForkRecord({ header: { tgid: 1 } });
  for (const size of [0, 64, PROCESS_FORK_SIZE - 1, PROCESS_FORK_SIZE + 8]) {
    throws(() => new ForkDecoder().decode(viewOf(record, size)), RangeError);
  }
  throws(
    () => new ForkDecoder().decode(viewOf(record.slice(0, 100), PROCESS_FORK_SIZE)),
    RangeError,
  );
});
