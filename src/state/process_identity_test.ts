import assert from "node:assert/strict";
import {
  executed,
  exited,
  FakeClock,
  forked,
  found,
  type Group,
} from "../../tests/support/sample_facts.ts";
import { HOST_NAMESPACES } from "../../tests/support/sample_events.ts";
import type { CgroupPlace, Namespaces, Workload } from "../events/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { ProcessCache } from "./process_cache.ts";

const S = 1_000_000_000n;
const SHIM: Group = { tgid: 100, startNs: S };
const RUNC: Group = { tgid: 200, startNs: 2n * S };
const MAIN: Group = { tgid: 300, startNs: 3n * S };

const SERVICE_PLACE: CgroupPlace = { id: 7n, trackingId: 7n, level: 2, hierarchy: 0 };
const WEB_PLACE: CgroupPlace = { id: 9n, trackingId: 8n, level: 3, hierarchy: 0 };
const SERVICE = workload("service", "containerd.service");
const WEB = workload("container", "web");

/** What runc gives a container of its own. */
const INSIDE: Namespaces = { ...HOST_NAMESPACES, pid: 11, mnt: 12 };

function workload(kind: Workload["kind"], name: string): Workload {
  return Object.freeze({ kind, name, id: name, source: "kernel" });
}

function setUp(byId: Record<string, Workload> = { 7: SERVICE, 9: WEB }) {
  const cache = new ProcessCache({
    ...{ nodeName: "n", clock: new FakeClock(), counters: new Counters() },
    identityOf: (cgroup) => ({ cgroup, workload: byId[String(cgroup.id)]! }),
  });
  cache.applyFound(found(SHIM, 0, "/usr/bin/containerd-shim", { cgroup: SERVICE_PLACE }));
  return cache;
}

function workloadOf(cache: ProcessCache, { tgid, startNs }: Group): Workload {
  const process = cache.find(tgid, startNs)?.process;
  assert(process !== undefined);
  return process.workload;
}

Deno.test("ProcessCache says a process forked into a container's namespaces is the container's", () => {
  const cache = setUp();
  cache.apply(forked(MAIN, SHIM, 4n * S, { cgroup: WEB_PLACE, namespaces: INSIDE }));
  assert.equal(workloadOf(cache, MAIN), WEB);
  cache.apply(
    executed(MAIN, 5n * S, "/bin/web", { cgroup: WEB_PLACE, namespaces: INSIDE }),
  );
  assert.equal(workloadOf(cache, MAIN), WEB);
});

Deno.test("ProcessCache leaves a process that enters a container's cgroup with its own workload", () => {
  const cache = setUp();
  cache.apply(forked(RUNC, SHIM, 4n * S, { cgroup: SERVICE_PLACE }));
  cache.apply(executed(RUNC, 5n * S, "/usr/bin/runc", { cgroup: WEB_PLACE }));
  assert.deepEqual(workloadOf(cache, RUNC), { ...SERVICE, reason: "entered_from_outside" });
  assert.deepEqual(cache.find(RUNC.tgid, RUNC.startNs)?.process.cgroup, WEB_PLACE);

  // Its children too, as long as they stay outside; what enters the namespaces is the container's.
  cache.apply(forked(MAIN, RUNC, 6n * S, { cgroup: WEB_PLACE }));
  assert.equal(workloadOf(cache, MAIN), workloadOf(cache, RUNC), "one object for one workload");
  cache.apply(
    executed(MAIN, 7n * S, "/bin/web", { cgroup: WEB_PLACE, namespaces: INSIDE }),
  );
  assert.equal(workloadOf(cache, MAIN), WEB);
});

Deno.test("ProcessCache knows containers with the host's pid namespace by their mount namespace", () => {
  const cache = setUp();
  const namespaces = { ...HOST_NAMESPACES, mnt: 12 };
  cache.apply(forked(MAIN, SHIM, 4n * S, { cgroup: WEB_PLACE, namespaces }));
  assert.equal(workloadOf(cache, MAIN), WEB);
});

Deno.test("ProcessCache says a unit has every process in its cgroup, whoever started it", () => {
  const ssh = workload("session", "3");
  const cache = setUp({ 7: SERVICE, 9: ssh });
  cache.apply(forked(MAIN, SHIM, 4n * S, { cgroup: WEB_PLACE }));
  assert.equal(workloadOf(cache, MAIN), ssh);
});

Deno.test("ProcessCache takes the workload of a process without known parent from its cgroup", () => {
  const cache = setUp();
  cache.apply(forked(MAIN, { tgid: 999, startNs: 9n }, 4n * S, { cgroup: WEB_PLACE }));
  assert.equal(workloadOf(cache, MAIN), WEB);
});

Deno.test("ProcessCache follows a process that was moved before it ended", () => {
  const session = workload("session", "3");
  const cache = setUp({ 7: SERVICE, 9: session });
  cache.apply(forked(MAIN, SHIM, 4n * S, { cgroup: SERVICE_PLACE }));
  const before = cache.find(MAIN.tgid, MAIN.startNs)?.process;
  const after = cache.apply(exited(MAIN, 5n * S, { cgroup: WEB_PLACE }))?.process;
  assert.equal(after?.workload, session);
  assert.deepEqual(after?.cgroup, WEB_PLACE);
  assert.equal(before?.workload, SERVICE, "published objects do not change");
  assert.equal(after?.execId, before?.execId);
});

Deno.test("ProcessCache keeps the workload of a process whose exit tells no cgroup", () => {
  const cache = setUp();
  cache.apply(forked(MAIN, SHIM, 4n * S, { cgroup: SERVICE_PLACE }));
  const gone = { ...SERVICE_PLACE, id: 0n };
  assert.equal(cache.apply(exited(MAIN, 5n * S, { cgroup: gone }))?.process.workload, SERVICE);
});

Deno.test("ProcessCache takes the parent's workload where no cgroup can be told", () => {
  const none: Workload = {
    ...{ kind: "host", name: "unknown", id: "unknown", source: "none" },
    reason: "cgroups_not_followed",
  };
  const cache = setUp({ 7: SERVICE, 9: none });
  cache.apply(forked(MAIN, SHIM, 4n * S, { cgroup: WEB_PLACE }));
  assert.equal(workloadOf(cache, MAIN), SERVICE);
});

Deno.test("ProcessCache.amend() gives new objects to a workload's processes, visitors left out", () => {
  const cache = setUp();
  const inside = { cgroup: WEB_PLACE, namespaces: INSIDE };
  cache.apply(forked(RUNC, SHIM, 4n * S, { cgroup: WEB_PLACE }));
  cache.apply(forked(MAIN, RUNC, 5n * S, inside));
  const before = cache.find(MAIN.tgid, MAIN.startNs)?.process;
  const named: Workload = { ...WEB, name: "shop", source: "runtime" };
  assert.equal(cache.amend(WEB_PLACE.trackingId, () => named), 1);
  assert.equal(cache.amend(WEB_PLACE.trackingId, () => named), 0, "nothing is new the second time");
  assert.equal(workloadOf(cache, MAIN), named);
  assert.equal(before?.workload, WEB);
  assert.equal(workloadOf(cache, RUNC).reason, "entered_from_outside");
  assert.equal(workloadOf(cache, SHIM), SERVICE);
});

Deno.test("ProcessCache asks whose a process is that came into a container, with where it came from", () => {
  const INNER_PLACE: CgroupPlace = { id: 20n, trackingId: 20n, level: 2, hierarchy: 0 };
  const INNER = workload("container", "inner");
  const nested = Object.freeze({ ...INNER, outer: { runtime: "docker", id: "web" } });
  const asked: [string, string | undefined][] = [];
  const cache = new ProcessCache({
    ...{ nodeName: "n", clock: new FakeClock(), counters: new Counters() },
    identityOf: (cgroup) => ({
      cgroup,
      workload: cgroup.id === 7n ? SERVICE : cgroup.id === 20n ? INNER : WEB,
    }),
    onEntered: ({ workload }, from) => {
      asked.push([workload.id, from?.id]);
      return workload === INNER ? nested : workload;
    },
  });
  cache.applyFound(found(SHIM, 0, "/usr/bin/containerd-shim", { cgroup: SERVICE_PLACE }));
  cache.apply(forked(MAIN, SHIM, 4n * S, { cgroup: WEB_PLACE, namespaces: INSIDE }));
  cache.apply(executed(MAIN, 5n * S, "/bin/web", { cgroup: WEB_PLACE, namespaces: INSIDE }));
  const wayIn = ["web", "containerd.service"];
  assert.deepEqual(asked, [wayIn, wayIn], "the image after a fork descends from who forked it");

  // A runtime in the container: its set-up process visits, what it starts is nested.
  const innerRunc: Group = { tgid: 400, startNs: 6n * S };
  const innerMain: Group = { tgid: 500, startNs: 7n * S };
  cache.apply(forked(innerRunc, MAIN, 6n * S, { cgroup: INNER_PLACE, namespaces: INSIDE }));
  assert.equal(workloadOf(cache, innerRunc).reason, "entered_from_outside");
  const deeper = { ...INSIDE, pid: 21, mnt: 22 };
  cache.apply(forked(innerMain, innerRunc, 7n * S, { cgroup: INNER_PLACE, namespaces: deeper }));
  assert.equal(workloadOf(cache, innerMain), nested);
  assert.deepEqual(asked.at(-1), ["inner", "web"]);
});
