/**
 * An event, and its line, against what the model says.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { AgentEvent } from "../../src/events/mod.ts";
import type { Expected } from "./naive_agent.ts";

/** @throws {Error} they differ; says in what */
export function checkEvent(event: AgentEvent, expected: Expected): void {
  const told = summary(event);
  for (const key of Object.keys(told) as (keyof Expected)[]) {
    if (key === "timeNs" && expected.timeNs === undefined) continue;
    if (key === "workload") {
      assert.deepEqual(told.workload, expected.workload, `workload of ${describe(expected)}`);
    } else if (told[key] !== expected[key]) {
      assert.equal(told[key], expected[key], `${key} of ${describe(expected)}`);
    }
  }
}

function summary(event: AgentEvent): Expected {
  const { type, timeNs } = event;
  const isLate = "marks" in event && event.marks.includes("late");
  if ("cgroup" in event && type.startsWith("cgroup_")) {
    return {
      ...{ type, timeNs, execId: "", parentExecId: undefined, tgid: 0, binary: "" },
      ...{ workload: undefined, isLate, about: event.cgroup.path },
    };
  }
  assert("subject" in event && event.subject !== undefined && "marks" in event, `a ${type}`);
  const { process } = event.subject;
  const { workload } = process;
  const parent = "parent" in event ? event.parent?.process : undefined;
  const isOrphan = event.marks.includes("parent_unknown");
  if (parent !== undefined) assert.equal(process.parentExecId, parent.execId, "parent's exec_id");
  return {
    ...{ type, timeNs, execId: process.execId, tgid: process.tgid, isLate },
    parentExecId: isOrphan ? undefined : process.parentExecId,
    binary: process.binary.text,
    workload: {
      ...{ id: workload.id, name: workload.name },
      isVisitor: workload.reason === "entered_from_outside",
    },
    about: "policy" in event ? (event.policy as { name: string }).name : undefined,
  };
}

/** @throws {Error} the line is no JSON, or says something else */
export function checkLine(line: string, expected: Expected): void {
  const told = JSON.parse(line)[expected.type];
  if (expected.type.startsWith("cgroup_")) return;
  const { process, parent } = told;
  assert.equal(process.exec_id, expected.execId, `line of ${describe(expected)}`);
  assert.equal(process.pid ?? 0, expected.tgid, `pid in the line of ${describe(expected)}`);
  assert.equal(
    process.binary ?? "",
    expected.binary,
    `binary in the line of ${describe(expected)}`,
  );
  if (parent !== undefined) assert.equal(parent.exec_id, expected.parentExecId);
  assert(line.includes(JSON.stringify(expected.workload!.name)), "workload in the line");
}

function describe({ type, tgid, binary, about }: Expected): string {
  return `${type} of ${about ?? `process ${tgid} "${binary}"`}`;
}
