import assert from "node:assert/strict";
import type { AgentEvent, Process, ProcessExecEvent, Workload } from "../events/mod.ts";
import { FilterError } from "../export/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { filtersOf, Selection, type SelectionOptions } from "./selection.ts";

function open(options: Partial<SelectionOptions> = {}): Selection {
  return new Selection({ counters: new Counters(), filters: [], showExisting: true, ...options });
}

function exec(tgid: number, { parent = 1, flags = "execve clone" } = {}): ProcessExecEvent {
  const process = (tgid: number) => ({
    ...{ execId: `x${tgid}`, parentExecId: "", tgid, flags, argv: [] },
    binary: { text: "/bin/true" },
    credentials: { euid: 0 },
    workload: { kind: "host", name: "host", id: "host", source: "kernel" },
  } as unknown as Process);
  return {
    ...{ type: "process_exec", timeNs: 1n, cpu: 0, marks: [] },
    subject: { process: process(tgid), references: 1 },
    parent: { process: process(parent), references: 1 },
  };
}

/** As a sink asks. */
function passes(selection: Selection, event: AgentEvent): boolean {
  return selection.judge(event) === "shown" && selection.admit(event);
}

const GAP: AgentEvent = {
  ...{ type: "gap", cause: "no_ring", count: 5 },
  ...{ timeNs: 1n, firstTimeNs: 1n, lastTimeNs: 1n },
};

Deno.test("Selection counts what it lets through, by type", () => {
  const selection = open({ filters: ["pid=7"] });
  assert.ok(passes(selection, exec(7)));
  assert.ok(!passes(selection, exec(8)));
  assert.ok(passes(selection, GAP));
  assert.deepEqual([...selection.counts], [["process_exec", 1], ["gap", 1]]);
});

Deno.test("Selection closes after maxEvents events, but not for gaps", async () => {
  const selection = open({ maxEvents: 2 });
  passes(selection, GAP);
  assert.ok(passes(selection, exec(1)));
  const early = await Promise.race([
    selection.enough.then(() => "enough"),
    Promise.resolve("more"),
  ]);
  assert.equal(early, "more");
  assert.ok(passes(selection, exec(2)));
  await selection.enough;
  assert.ok(!passes(selection, exec(3)));
  assert.ok(passes(selection, GAP));
  assert.equal(selection.counts.get("process_exec"), 2);
});

Deno.test("Selection leaves out processes that ran before, but follows their children", () => {
  const selection = open({ showExisting: false, pid: 50 });
  assert.ok(!passes(selection, exec(50, { flags: "procFS rootcwd" })));
  assert.ok(passes(selection, exec(51, { parent: 50 })));
  assert.ok(!passes(selection, exec(60, { parent: 1 })));
});

Deno.test("Selection throws the filter's own error", () => {
  assert.throws(() => open({ filters: ["nope=1"] }), FilterError);
});

Deno.test("Selection counts an event when it is shown, not when it waits for a name", async () => {
  const selection = open({ filters: ["container=web"], maxEvents: 1 });
  const event = exec(7);
  const { process } = event.subject;
  const container = { runtime: "docker", id: "0".repeat(64) };
  const known = { kind: "container", name: "web", id: container.id } as const;
  const pending = { ...known, container, source: "pending", reason: "lookup_running" } as const;
  const web = { ...known, container: { ...container, name: "web" }, source: "runtime" } as const;
  const inWorkload = (workload: Workload) => ({
    ...event,
    subject: { process: { ...process, workload }, references: 1 },
  });
  assert.equal(selection.judge(inWorkload(pending)), "undecided");
  assert.equal(selection.counts.size, 0);
  assert.equal(selection.decide(inWorkload(web)), true);
  assert.equal(selection.admit(inWorkload(web)), true);
  await selection.enough;
  assert.equal(selection.admit(inWorkload(web)), false);
  assert.deepEqual([...selection.counts], [["process_exec", 1]]);
});

Deno.test("filtersOf() makes one filter of each flag, any of its values is enough", () => {
  const none = {
    ...{ filters: [], onlyWorkloads: [], onlyContainers: [], onlyPods: [] },
    ...{ onlyUnits: [], onlyNamespaces: [] },
  };
  assert.deepEqual(filtersOf(none), []);
  const given = {
    filters: ["uid=0"],
    onlyWorkloads: ["service/ssh*"],
    onlyContainers: ["web", "db"],
    onlyPods: ["prod/web-*"],
    onlyUnits: ["ssh"],
    onlyNamespaces: ["prod"],
  };
  assert.deepEqual(filtersOf(given), [
    "uid=0",
    "workload=service/ssh*",
    "container=web,db",
    "pod=prod/web-*",
    "unit=ssh",
    "namespace=prod",
  ]);
});
