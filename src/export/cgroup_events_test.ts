import assert from "node:assert/strict";
import { referenceLine } from "../../tests/support/reference_json.ts";
import {
  sampleCgroup,
  sampleExec,
  sampleProcess,
  toReference,
  toText,
} from "../../tests/support/sample_events.ts";
import type { AgentEvent, CgroupEvent } from "../events/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { CompactEncoder } from "./compact_encoder.ts";
import { EventFilter } from "./event_filter.ts";
import { JsonEncoder } from "./json_encoder.ts";
import { TableEncoder } from "./table_encoder.ts";

const OPTIONS = { nodeName: "node", enableProcessCred: false, enableProcessNs: false };
const NAMES = { userName: () => undefined };
const runc = sampleProcess({ tgid: 99, binary: toText("/usr/bin/runc"), argv: [toText("runc")] });
const json = (event: CgroupEvent) =>
  JSON.parse(new JsonEncoder({ ...OPTIONS, ...NAMES }).encode(event));

Deno.test("JsonEncoder.encode() gives cgroup events their cgroup, ids as strings", () => {
  const { cgroup_created, node_name } = json(sampleCgroup());
  assert.deepEqual(cgroup_created, {
    cgroup: { id: "1099511627776", tracking_id: "7", path: "/a/b c", level: 2 },
    hierarchy: 4,
    parent_id: "7",
    cpu: 1,
  });
  assert.equal(node_name, "node");
});

Deno.test("JsonEncoder.encode() agrees with the slow encoder about each kind of cgroup event", () => {
  for (
    const type of [
      "cgroup_created",
      "cgroup_removed",
      "cgroup_released",
      "cgroup_renamed",
      "cgroup_attached",
    ] as const
  ) {
    const event = sampleCgroup({ type, subject: toReference(runc), marks: ["late"] });
    assert.deepEqual(json(event), referenceLine(event, { ...OPTIONS, ...NAMES }));
  }
});

Deno.test("JsonEncoder.encode() gives a process its cgroup, and none when it is not known", () => {
  const encoder = new JsonEncoder({ ...OPTIONS, ...NAMES });
  const cgroupOf = (id: bigint) =>
    JSON.parse(encoder.encodeProcess(sampleProcess({
      cgroup: { id, trackingId: 7n, level: 2, hierarchy: 0, path: "/x/y" },
    }))).cgroup;
  assert.deepEqual(cgroupOf(12n), { id: "12", tracking_id: "7", path: "/x/y", level: 2 });
  assert.equal(cgroupOf(0n), undefined);
});

Deno.test("CompactEncoder and TableEncoder write a cgroup event on a line, escaped", () => {
  const compact = new CompactEncoder({ ...NAMES, colour: false, utc: true });
  const table = new TableEncoder({ ...NAMES, columns: 100, utc: true });
  const event = sampleCgroup({
    cgroup: { id: 5n, trackingId: 5n, level: 1, hierarchy: 0, path: "/\x1b[31m" },
    subject: toReference(runc),
  });
  assert.match(
    compact.encode(event),
    /^23:59:59\S* cg\+ {2}\/\\x1b\[31m \(id 5\) by runc\[99\]\n$/,
  );
  assert.match(table.encode(event), / cg\+ .*\/\\x1b\[31m \(id 5\) by runc\[99\]\n$/);
  const moved = sampleCgroup({ type: "cgroup_attached", subject: toReference(runc) });
  assert.match(compact.encode(moved), / cg<- \/a\/b c \(id \d+\) runc\[99\]\n$/);
});

function isShown(filter: EventFilter, event: AgentEvent): boolean {
  return filter.judge(event) === "shown";
}

Deno.test("EventFilter judges cgroup events by the process that acted", () => {
  const shown = (expressions: string[], event: CgroupEvent) =>
    isShown(new EventFilter(expressions, { counters: new Counters() }), event);
  const byRunc = sampleCgroup({ subject: toReference(runc) });
  assert.equal(shown([], sampleCgroup()), true);
  assert.equal(shown([], byRunc), true);
  assert.equal(shown(["binary=runc"], byRunc), true);
  assert.equal(shown(["binary=runc"], sampleCgroup()), false);
  assert.equal(shown(["event=cgroup_created"], byRunc), true);
  assert.equal(shown(["event=cgroup_removed"], byRunc), false);
  assert.equal(shown(["event=exec"], byRunc), false);
});

Deno.test("EventFilter shows cgroup events of the processes of a tree", () => {
  const filter = new EventFilter(["tree=99"], { counters: new Counters() });
  assert.equal(isShown(filter, sampleExec(runc)), true);
  assert.equal(isShown(filter, sampleCgroup({ subject: toReference(runc) })), true);
  const other = sampleProcess({ tgid: 100 });
  assert.equal(isShown(filter, sampleCgroup({ subject: toReference(other) })), false);
});
