import assert from "node:assert/strict";
import {
  sampleAmend,
  sampleExec,
  sampleExit,
  sampleGap,
  sampleProcess,
  toText,
} from "../../tests/support/sample_events.ts";
import { PENDING_WEB, SSH, WEB } from "../../tests/support/sample_workloads.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import type { AgentEvent, Process, Workload } from "../events/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { EventFilter } from "./event_filter.ts";
import { HeldEvents } from "./held_events.ts";

const SECOND_NS = 1_000_000_000n;
const DB_ID = "d".repeat(64);
const DB_CONTAINER = { runtime: "docker", id: DB_ID };
const PENDING_DB: Workload = { ...PENDING_WEB, name: "dddd", id: DB_ID, container: DB_CONTAINER };
const DB: Workload = { ...WEB, name: "db", id: DB_ID, container: { ...DB_CONTAINER, name: "db" } };
const FAILED_WEB: Workload = { ...PENDING_WEB, source: "path", reason: "runtime_failed" };

function open(...expressions: string[]) {
  const counters = new Counters();
  const now = { ns: 0n };
  const shown: AgentEvent[] = [];
  let hidden = 0;
  const held = new HeldEvents({
    filter: new EventFilter(expressions, { counters }),
    clock: { monotonicNs: () => now.ns, boottimeNs: () => now.ns, wallNs: (ns) => ns },
    counters,
    labels: { sink: "test" },
    show: (event) => shown.push(event),
    hide: () => hidden++,
  });
  /** `exec 7 web`, oldest first. */
  const lines = () =>
    shown.map((event) => {
      if (event.type === "amend") return `amend ${event.workload.name}`;
      const process = event.type === "gap" ? undefined : event.subject?.process;
      const word = event.type.replace("process_", "");
      return process === undefined ? word : `${word} ${process.tgid} ${process.workload.name}`;
    });
  return {
    ...{ held, now, shown, lines },
    hidden: () => hidden,
    undecided: () => counters.total("shrike_export_filter_undecided_total"),
    waiting: () => counters.total("shrike_export_filter_held"),
  };
}

/** A process in the cgroup of container web, or of db. */
function inWeb(tgid: number, workload: Workload = PENDING_WEB): Process {
  const cgroup = { id: BigInt(1000 + tgid), trackingId: 5n, level: 3, hierarchy: 0 };
  return sampleProcess({ tgid, workload, cgroup });
}

function inDb(tgid: number, workload: Workload = PENDING_DB): Process {
  const cgroup = { id: 6n, trackingId: 0n, level: 2, hierarchy: 0 };
  return sampleProcess({ tgid, workload, cgroup });
}

function amendOf({ execId, cgroup }: Process, workload: Workload) {
  return sampleAmend(workload, { execId, cgroup });
}

Deno.test("HeldEvents shows what it held when the name fits, with the name and in order", () => {
  const { held, lines, hidden, waiting, undecided } = open("container=web");
  held.push(sampleExec(inWeb(1)));
  held.push(sampleExec(inDb(2)));
  held.push(sampleExit(inWeb(1)));
  held.push(sampleExec(inWeb(3)));
  assert.deepEqual([lines(), waiting()], [[], 4]);
  held.push(amendOf(inWeb(1), WEB));
  assert.deepEqual(lines(), ["exec 1 web", "exit 1 web", "exec 3 web", "amend web"]);
  held.push(amendOf(inWeb(3), WEB));
  held.push(amendOf(inDb(2), DB));
  held.push(sampleExit(inWeb(3, WEB)));
  assert.deepEqual(lines().slice(4), ["amend web", "exit 3 web"]);
  assert.deepEqual([waiting(), undecided()], [0, 0]);
  assert.equal(hidden(), 2, "the exec and the amendment of db");
});

Deno.test("HeldEvents lets all pass that needs no name", () => {
  const { held, lines, waiting } = open("container!=db");
  held.push(sampleExec(inWeb(1)));
  held.push(sampleExec(sampleProcess({ tgid: 2, workload: SSH })));
  held.push(sampleGap());
  held.push(sampleExec(inWeb(3, WEB)));
  assert.deepEqual(lines().slice(0, 2), ["exec 2 ssh.service", "gap"]);
  assert.deepEqual(lines().slice(2), ["exec 1 web", "exec 3 web"], "a later event has the name");
  assert.equal(waiting(), 0);
});

Deno.test("HeldEvents does not take the workload of a visitor for the container's", () => {
  const { held, lines, waiting } = open("container=web");
  held.push(sampleExec(inWeb(1)));
  held.push(sampleExec(inWeb(2, { ...SSH, reason: "entered_from_outside" })));
  assert.deepEqual([lines(), waiting()], [[], 1]);
  held.push(amendOf(inWeb(1), WEB));
  assert.deepEqual(lines(), ["exec 1 web", "amend web"]);
});

Deno.test("HeldEvents decides by what is known when no runtime can tell", () => {
  const wanted = open("container=web");
  wanted.held.push(sampleExec(inWeb(1)));
  wanted.held.push(amendOf(inWeb(1), FAILED_WEB));
  assert.deepEqual([wanted.lines(), wanted.waiting(), wanted.hidden()], [[], 0, 2]);
  const unwanted = open("container!=db");
  unwanted.held.push(sampleExec(inWeb(1)));
  unwanted.held.push(amendOf(inWeb(1), FAILED_WEB));
  assert.deepEqual(unwanted.lines(), ["exec 1 a1b2c3d4e5f6", "amend a1b2c3d4e5f6"]);
});

Deno.test("HeldEvents.expire() gives up after two seconds and counts it", () => {
  const { held, now, lines, hidden, undecided, waiting } = open("container=web");
  held.push(sampleExec(inWeb(1)));
  now.ns = SECOND_NS;
  held.push(sampleExec(inDb(2)));
  now.ns = 2n * SECOND_NS - 1n;
  held.expire();
  assert.deepEqual([undecided(), waiting()], [0, 2]);
  now.ns = 2n * SECOND_NS;
  held.expire();
  assert.deepEqual([undecided(), waiting(), hidden()], [1, 1, 1]);
  now.ns = 3n * SECOND_NS;
  held.expire();
  assert.deepEqual([undecided(), waiting(), hidden()], [2, 0, 2]);
  held.push(amendOf(inWeb(1), WEB));
  assert.deepEqual(lines(), ["amend web"], "at least the name of what was not shown");
});

Deno.test("HeldEvents.giveUp() decides all that is left", () => {
  const { held, lines, undecided } = open("container!=db");
  held.push(sampleExec(inWeb(1)));
  held.push(sampleExec(inDb(2)));
  held.giveUp();
  assert.deepEqual(lines(), ["exec 1 a1b2c3d4e5f6", "exec 2 dddd"]);
  assert.equal(undecided(), 2);
});

Deno.test("HeldEvents gives up on the oldest when there are too many", () => {
  const { held, lines, undecided, waiting } = open("container!=db");
  for (let tgid = 1; tgid <= 1024; tgid++) held.push(sampleExec(inWeb(tgid)));
  assert.deepEqual([lines(), waiting()], [[], 1024]);
  held.push(sampleExec(inWeb(1025)));
  assert.deepEqual(lines(), ["exec 1 a1b2c3d4e5f6"]);
  assert.deepEqual([undecided(), waiting()], [1, 1024]);
});

Deno.test("HeldEvents gives up on the oldest when they hold too much text", () => {
  const { held, waiting, undecided } = open("container!=db");
  const argv = [toText("x".repeat(1024 * 1024))];
  for (let tgid = 1; tgid <= 4; tgid++) held.push(sampleExec({ ...inWeb(tgid), argv }));
  assert.equal(waiting(), 4);
  held.push(sampleExec({ ...inWeb(5), argv: [toText("x".repeat(2 * 1024 * 1024))] }));
  assert.deepEqual([waiting(), undecided()], [3, 2]);
  held.push(amendOf(inWeb(5), WEB));
  held.push(sampleExec({ ...inWeb(6), argv: [toText("x".repeat(5 * 1024 * 1024))] }));
  assert.equal(waiting(), 1, "a single event is held whatever its size");
});

Deno.test("HeldEvents shows each event that fits once and in the order of its workload", () => {
  const random = SeededRandom.fromEnvironment("held_events_test");
  for (let round = 0; round < 200; round++) {
    const { held, now, shown, hidden, waiting } = open("container=web");
    const known = { web: false, db: false };
    let pushed = 0;
    const push = (event: AgentEvent) => {
      pushed++;
      held.push(event);
    };
    for (let tgid = 1; tgid <= 60; tgid++) {
      now.ns += BigInt(random.below(30)) * 1_000_000n;
      if (random.chance(0.5)) push(sampleExec(inWeb(tgid, known.web ? WEB : PENDING_WEB)));
      else push(sampleExec(inDb(tgid, known.db ? DB : PENDING_DB)));
      if (random.chance(0.2)) held.expire();
      if (random.chance(0.1)) {
        known.web = true;
        push(amendOf(inWeb(tgid), WEB));
      }
      if (random.chance(0.1)) {
        known.db = true;
        push(amendOf(inDb(tgid), DB));
      }
    }
    push(amendOf(inWeb(1), WEB));
    push(amendOf(inDb(1), DB));
    // 60 steps of less than 30 ms: nothing waits for too long.
    assert.equal(waiting(), 0);
    assert.equal(shown.length + hidden(), pushed);
    const tgids = shown.flatMap((event) =>
      event.type === "process_exec" ? [event.subject.process.tgid] : []
    );
    assert.deepEqual(tgids, tgids.toSorted((a, b) => a - b));
    assert.ok(shown.every((event) => event.type === "amend" || event.type === "process_exec"));
    const names = shown.map((event) =>
      event.type === "process_exec" ? event.subject.process.workload.name : "web"
    );
    assert.deepEqual([...new Set(names)], ["web"]);
  }
});
