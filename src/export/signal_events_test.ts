import assert from "node:assert/strict";
import type { OomKillEvent, ProcessSignalEvent } from "../events/mod.ts";
import {
  SAMPLE_TIME_NS,
  sampleProcess,
  toReference,
  toText,
} from "../../tests/support/sample_events.ts";
import { Counters } from "../telemetry/mod.ts";
import { CompactEncoder } from "./compact_encoder.ts";
import { EventFilter } from "./event_filter.ts";
import { JsonEncoder } from "./json_encoder.ts";
import { TableEncoder } from "./table_encoder.ts";

const SENDER = sampleProcess({ tgid: 7, binary: toText("/bin/bash") });
const base = { timeNs: SAMPLE_TIME_NS, cpu: 0, subject: toReference(sampleProcess()), marks: [] };
const KILL: ProcessSignalEvent = {
  ...{ type: "process_signal", ...base, tid: 4243, signal: "SIGKILL", code: 0 },
  ...{ isFatal: true, isToThread: false, fate: "delivered" },
  sender: { ...toReference(SENDER), tid: 8, isUnsure: false },
};
const OOM: OomKillEvent = {
  ...{ type: "oom_kill", ...base },
  memory: {
    ...{ cgroupId: 5n, cgroupLevel: 1, hierarchy: 0, path: "/web" },
    ...{ limitBytes: 67_108_864n, usageBytes: 67_104_768n },
  },
};

const json = new JsonEncoder({
  ...{ nodeName: "n", enableProcessCred: false, enableProcessNs: false },
});

Deno.test("JsonEncoder.encode() gives a signal its sender and a victim its limit", () => {
  const { process_signal } = JSON.parse(json.encode(KILL));
  assert.equal(process_signal.process.tid, 4243);
  assert.deepEqual([process_signal.signal, process_signal.code], ["SIGKILL", "SI_USER"]);
  assert.equal(process_signal.fatal, true);
  assert.deepEqual([process_signal.sender.binary, process_signal.sender.tid], ["/bin/bash", 8]);
  const { oom_kill } = JSON.parse(json.encode(OOM));
  assert.deepEqual(oom_kill.memory, {
    cgroup: { id: "5", path: "/web", level: 1 },
    ...{ limit_bytes: "67108864", usage_bytes: "67104768" },
  });
  const { sender: _, ...fromKernel } = { ...KILL, code: 128 };
  const line = JSON.parse(json.encode(fromKernel)).process_signal;
  assert.deepEqual([line.sender, line.code], [undefined, "SI_KERNEL"]);
});

Deno.test("CompactEncoder and TableEncoder say who sent a signal and what was full", () => {
  const compact = new CompactEncoder({ colour: false, utc: true });
  assert.match(compact.encode(KILL), / sig! +4242 .* SIGKILL from bash\[7\], fatal/);
  assert.match(compact.encode(OOM), / oom! .* out of memory, 63.9 MiB of 64.0 MiB in \/web/);
  const table = new TableEncoder({ columns: 200, utc: true });
  assert.match(table.encode(KILL), /SIGKILL from bash\[7\]/);
  const blocked = { ...KILL, isFatal: false, fate: "pending_already" } as const;
  assert.match(compact.encode(blocked), /SIGKILL from bash\[7\], pending already/);
});

Deno.test("EventFilter shows signals by name and by the process they were sent to", () => {
  const judge = (expression: string, event: ProcessSignalEvent | OomKillEvent) =>
    new EventFilter([expression], { counters: new Counters() }).judge(event);
  assert.equal(judge("event=signal", KILL), "shown");
  assert.equal(judge("event=signal", OOM), "hidden");
  assert.equal(judge("event=oom_kill", OOM), "shown");
  assert.equal(judge("event!=process_signal", KILL), "hidden");
  assert.equal(judge("pid=4242", KILL), "shown");
  assert.equal(judge("pid=7", KILL), "hidden");
});
