import assert from "node:assert/strict";
import type { AgentEvent, Process, ProcessExecEvent } from "../events/mod.ts";
import { FilterError } from "../export/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { Selection, type SelectionOptions } from "./selection.ts";

function open(options: Partial<SelectionOptions> = {}): Selection {
  return new Selection({ counters: new Counters(), filters: [], showExisting: true, ...options });
}

function exec(tgid: number, { parent = 1, flags = "execve clone" } = {}): ProcessExecEvent {
  const process = (tgid: number) => ({
    ...{ execId: `x${tgid}`, parentExecId: "", tgid, flags, argv: [] },
    binary: { text: "/bin/true" },
    credentials: { euid: 0 },
  } as unknown as Process);
  return {
    ...{ type: "process_exec", timeNs: 1n, cpu: 0, marks: [] },
    subject: { process: process(tgid), references: 1 },
    parent: { process: process(parent), references: 1 },
  };
}

const GAP: AgentEvent = {
  ...{ type: "gap", cause: "no_ring", count: 5 },
  ...{ timeNs: 1n, firstTimeNs: 1n, lastTimeNs: 1n },
};

Deno.test("Selection counts what it lets through, by type", () => {
  const selection = open({ filters: ["pid=7"] });
  assert.ok(selection.matches(exec(7)));
  assert.ok(!selection.matches(exec(8)));
  assert.ok(selection.matches(GAP));
  assert.deepEqual([...selection.counts], [["process_exec", 1], ["gap", 1]]);
});

Deno.test("Selection closes after maxEvents events, but not for gaps", async () => {
  const selection = open({ maxEvents: 2 });
  selection.matches(GAP);
  assert.ok(selection.matches(exec(1)));
  const early = await Promise.race([
    selection.enough.then(() => "enough"),
    Promise.resolve("more"),
  ]);
  assert.equal(early, "more");
  assert.ok(selection.matches(exec(2)));
  await selection.enough;
  assert.ok(!selection.matches(exec(3)));
  assert.ok(selection.matches(GAP));
  assert.equal(selection.counts.get("process_exec"), 2);
});

Deno.test("Selection leaves out processes that ran before, but follows their children", () => {
  const selection = open({ showExisting: false, pid: 50 });
  assert.ok(!selection.matches(exec(50, { flags: "procFS rootcwd" })));
  assert.ok(selection.matches(exec(51, { parent: 50 })));
  assert.ok(!selection.matches(exec(60, { parent: 1 })));
});

Deno.test("Selection throws the filter's own error", () => {
  assert.throws(() => open({ filters: ["nope=1"] }), FilterError);
});
