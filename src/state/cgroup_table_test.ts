import assert from "node:assert/strict";
import { type CgroupFact, type CgroupPlace } from "../events/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { cgroupFact, cgroupFound, type SampleCgroup } from "../../tests/support/sample_cgroups.ts";
import { CgroupTable } from "./cgroup_table.ts";
import type { CgroupTableOptions } from "./cgroup_table_options.ts";

const S = 1_000_000_000n;
const ROOT: SampleCgroup = { id: 1n, path: "/" };
const WEB: SampleCgroup = { id: 10n, path: "/web.service" };

/** A table with a trace of what it told. */
function bench(options: Partial<CgroupTableOptions> = {}) {
  const counters = new Counters();
  const told: string[] = [];
  const table = new CgroupTable({
    hierarchy: 0,
    counters,
    onChange: (change, { id, path }) => void told.push(`${change} ${id} ${path}`),
    ...options,
  });
  const apply = (type: CgroupFact["type"], cgroup: SampleCgroup, timeNs: bigint) =>
    table.apply(cgroupFact(type, cgroup, timeNs));
  const place = (id: bigint, timeNs: bigint, more: Partial<CgroupPlace> = {}) =>
    table.place({ id, trackingId: 0n, level: 1, hierarchy: 0, ...more }, timeNs);
  const value = (name: string, labels: Record<string, string> = {}) =>
    counters.snapshot().find((sample) =>
      sample.name === name &&
      Object.entries(labels).every(([key, text]) => sample.labels[key] === text)
    )?.value;
  return { table, told, apply, place, value };
}

Deno.test("CgroupTable.place() gives path and workload, and makes the cgroup a running one", () => {
  const { table, apply, place, value } = bench();
  apply("cgroup_created", { ...WEB, trackingId: 7n }, 5n * S);
  assert.equal(table.find(10n)?.state, "new");
  const found = place(10n, 6n * S);
  assert.deepEqual(found, { id: 10n, trackingId: 7n, level: 1, hierarchy: 0, path: WEB.path });
  assert.equal(place(10n, 7n * S), found);
  assert.equal(table.find(10n)?.state, "running");
  assert.equal(value("shrike_cgroup_table_cgroups", { state: "running" }), 1);
  assert.equal(value("shrike_cgroup_lookups_total", { result: "found" }), 2);
});

Deno.test("CgroupTable.place() knows the root by its level alone", () => {
  const { told, place, value } = bench({
    track: () => ({ level: 0, isLeaf: false, isContainer: false }),
  });
  const root = place(1n, 5n, { level: 0 });
  assert.deepEqual(root, { id: 1n, trackingId: 1n, level: 0, hierarchy: 0, path: "/" });
  assert.equal(place(1n, 6n, { level: 0 }), root);
  assert.deepEqual(told, ["added 1 /"]);
  assert.equal(value("shrike_cgroup_lookups_total", { result: "root" }), 1);
  assert.equal(value("shrike_cgroup_lookups_total", { result: "found" }), 1);
});

Deno.test("CgroupTable.place() leaves zero ids, other hierarchies and the unknown alone", () => {
  const { apply, place, value } = bench();
  apply("cgroup_created", WEB, 5n * S);
  assert.deepEqual(place(0n, S), { id: 0n, trackingId: 0n, level: 1, hierarchy: 0 });
  assert.equal(place(10n, 6n * S, { hierarchy: 4 }).path, undefined);
  assert.equal(place(11n, 6n * S).path, undefined);
  for (const result of ["zero_id", "other_hierarchy", "unknown"]) {
    assert.equal(value("shrike_cgroup_lookups_total", { result }), 1, result);
  }
});

Deno.test("CgroupTable.place() does not take a later cgroup for the one of a late record", () => {
  const { apply, place, value } = bench();
  apply("cgroup_created", WEB, 5n * S);
  assert.equal(place(10n, 4n * S).path, undefined);
  assert.equal(value("shrike_cgroup_lookups_total", { result: "reused_id" }), 1);
});

Deno.test("CgroupTable keeps a removed cgroup for its delay and then lets it go", () => {
  const { table, told, apply, place } = bench({ removalDelayMs: 60_000 });
  apply("cgroup_created", WEB, 5n * S);
  assert.equal(apply("cgroup_removed", { ...WEB, createdNs: 5n * S }, 10n * S)?.removedNs, 10n * S);
  assert.equal(apply("cgroup_removed", { ...WEB, createdNs: 5n * S }, 10n * S), undefined);
  table.sweep(69n * S);
  assert.equal(place(10n, 9n * S).path, WEB.path);
  assert.equal(table.find(10n)?.state, "removed");
  table.sweep(70n * S);
  assert.equal(table.size, 0);
  assert.deepEqual(told, [
    "added 10 /web.service",
    "removed 10 /web.service",
    "forgotten 10 /web.service",
  ]);
  assert.equal(apply("cgroup_released", { ...WEB, createdNs: 5n * S }, 90n * S), undefined);
  assert.equal(table.size, 0);
});

Deno.test("CgroupTable tells cgroups with one id apart by their making", () => {
  const { table, told, apply, place, value } = bench();
  apply("cgroup_created", WEB, 5n * S);
  apply("cgroup_created", { ...WEB, path: "/db.service" }, 8n * S);
  assert.equal(table.size, 1);
  assert.equal(place(10n, 9n * S).path, "/db.service");
  assert.equal(value("shrike_cgroup_id_reuse_total"), 1);
  assert.deepEqual(told.slice(1), [
    "removed 10 /web.service",
    "forgotten 10 /web.service",
    "added 10 /db.service",
  ]);
  // The end of the first comes late.
  assert.equal(apply("cgroup_removed", { ...WEB, createdNs: 5n * S }, 9n * S), undefined);
  assert.equal(table.find(10n)?.state, "running");
});

Deno.test("CgroupTable enters a cgroup once that walk and record both tell", () => {
  for (const order of ["walk first", "record first"]) {
    const { table, told, apply } = bench();
    if (order === "walk first") table.applyFound(cgroupFound(WEB));
    apply("cgroup_created", WEB, 5n * S);
    if (order === "record first") table.applyFound(cgroupFound(WEB));
    assert.equal(table.size, 1, order);
    assert.equal(table.find(10n)?.createdNs, 5n * S, order);
    assert.equal(table.find(10n)?.pathSource, "kernel", order);
    assert.equal(told.filter((line) => line.startsWith("added")).length, 1, order);
  }
});

Deno.test("CgroupTable knows from its end a cgroup that the walk came too late for", () => {
  const { table, apply, place } = bench();
  apply("cgroup_removed", { ...WEB, createdNs: 0n }, 5n * S);
  assert.equal(place(10n, 4n * S).path, WEB.path);
  assert.equal(table.find(10n)?.state, "removed");
});

Deno.test("CgroupTable keeps what the walk found and the kernel dates through its whole end", () => {
  const { table, apply, told, value } = bench();
  table.applyFound(cgroupFound(WEB));
  // The record of the making was lost: only the end tells when it was.
  apply("cgroup_removed", { ...WEB, createdNs: 5n * S }, 6n * S);
  apply("cgroup_released", { ...WEB, createdNs: 5n * S }, 7n * S);
  assert.equal(table.find(10n)?.state, "removed");
  assert.deepEqual(told, ["added 10 /web.service", "removed 10 /web.service"]);
  assert.equal(value("shrike_cgroup_id_reuse_total"), 0);
  apply("cgroup_created", { ...WEB, path: "/other.service" }, 8n * S);
  assert.equal(table.find(10n)?.path, "/other.service", "a later one has only the same id");
});

Deno.test("CgroupTable tracks the ancestor that the path names", () => {
  const track = (path: string) => {
    const at = path.split("/").findIndex((part) => part.endsWith(".service"));
    return { level: Math.max(at, 0), isLeaf: at > 0, isContainer: false };
  };
  const { table, apply } = bench({ track });
  table.applyFound(cgroupFound(ROOT));
  apply("cgroup_created", { ...WEB, trackingId: 99n }, 5n * S);
  apply("cgroup_created", { id: 11n, path: "/web.service/a", parentId: 10n }, 5n * S);
  apply("cgroup_created", { id: 12n, path: "/web.service/a/b", parentId: 11n }, 5n * S);
  apply("cgroup_created", { id: 13n, path: "/plain" }, 5n * S);
  assert.deepEqual(
    [10n, 11n, 12n, 13n].map((id) => [table.find(id)?.trackingId, table.find(id)?.isLeaf]),
    [[10n, true], [10n, true], [10n, true], [1n, false]],
  );
  // Without the parents the kernel's guess is all there is.
  apply("cgroup_created", {
    ...{ id: 14n, path: "/x.service/y/z", parentId: 77n, trackingId: 76n },
  }, 6n * S);
  assert.equal(table.find(14n)?.trackingId, 76n);
});

Deno.test("CgroupTable joins the name to the parent's path when the kernel has cut it", () => {
  const { table, apply } = bench();
  const long = `/${"p".repeat(255)}`.repeat(4);
  apply("cgroup_created", { id: 20n, path: long, isPathCut: false }, S);
  apply("cgroup_created", { id: 21n, path: `${long}/leaf`, parentId: 20n, isPathCut: true }, S);
  apply("cgroup_created", { id: 22n, path: `${long}/lost/x`, parentId: 404n, isPathCut: true }, S);
  assert.equal(table.find(21n)?.path, `${long}/leaf`);
  assert.equal(table.find(22n)?.path, undefined);
});

Deno.test("CgroupTable.rebase() moves what was found below the root that was hidden", () => {
  const track = (path: string) => {
    const at = path.split("/").findIndex((part) => part === "box");
    return { level: Math.max(at, 0), isLeaf: at > 0, isContainer: at > 0 };
  };
  const { table, told, apply, place } = bench({ track });
  table.applyFound(cgroupFound(ROOT));
  table.applyFound(cgroupFound(WEB));
  apply("cgroup_created", { id: 11n, path: "/docker/box/x", parentId: 1n }, S);
  const before = place(10n, S);
  table.rebase("/docker/box");
  assert.deepEqual(
    [1n, 10n, 11n].map((id) => [table.find(id)?.path, table.find(id)?.level]),
    [["/docker/box", 2], ["/docker/box/web.service", 3], ["/docker/box/x", 3]],
  );
  assert.deepEqual([table.find(1n)?.trackingId, table.find(10n)?.trackingId], [1n, 1n]);
  assert.equal(before.path, "/web.service");
  assert.equal(place(10n, S).path, "/docker/box/web.service");
  assert.deepEqual(told.slice(3), ["changed 1 /docker/box", "changed 10 /docker/box/web.service"]);
});

/** Cgroups whose names end so are workloads of their own, with all below them. */
function trackBySuffix(suffix: string) {
  return (path: string) => {
    const at = path.split("/").findIndex((part) => part.endsWith(suffix));
    return { level: Math.max(at, 0), isLeaf: at > 0, isContainer: at > 0 };
  };
}

Deno.test("CgroupTable gives a renamed cgroup and all below it new paths and workloads", () => {
  const { table, told, apply, place } = bench({ track: trackBySuffix(".box") });
  table.applyFound(cgroupFound(ROOT));
  apply("cgroup_created", { id: 10n, path: "/new" }, S);
  apply("cgroup_created", { id: 11n, path: "/new/a", parentId: 10n }, S);
  apply("cgroup_created", { id: 12n, path: "/new/a/b", parentId: 11n }, S);
  apply("cgroup_created", { id: 13n, path: "/new/gone", parentId: 10n }, S);
  apply("cgroup_removed", { id: 13n, path: "/new/gone", parentId: 10n, createdNs: S }, S);
  apply("cgroup_created", { id: 14n, path: "/newer" }, S);
  const before = place(12n, 2n * S);
  told.length = 0;
  const renamed = { id: 10n, path: "/web.box", createdNs: S };
  assert.equal(apply("cgroup_renamed", renamed, 3n * S)?.path, "/web.box");
  assert.deepEqual(told, [
    "changed 10 /web.box",
    "changed 11 /web.box/a",
    "changed 12 /web.box/a/b",
  ]);
  assert.deepEqual(
    [10n, 11n, 12n, 14n].map((id) => [table.find(id)?.trackingId, table.find(id)?.isLeaf]),
    [[10n, true], [10n, true], [10n, true], [1n, false]],
  );
  assert.equal(table.find(13n)?.path, "/new/gone", "what is gone keeps the path it had");
  assert.deepEqual([before.path, before.trackingId], ["/new/a/b", 1n]);
  assert.deepEqual(place(12n, 4n * S).path, "/web.box/a/b");
  assert.equal(apply("cgroup_renamed", renamed, 5n * S), undefined, "nothing new");
  apply("cgroup_renamed", { ...renamed, path: "/plain" }, 6n * S);
  assert.deepEqual([10n, 11n].map((id) => table.find(id)?.trackingId), [1n, 1n]);
});

Deno.test("CgroupTable learns from its new name a cgroup that it did not know", () => {
  const { table, told, apply } = bench();
  apply("cgroup_renamed", { ...WEB, createdNs: 0n }, 5n * S);
  assert.deepEqual(told, ["added 10 /web.service"]);
  assert.equal(table.find(10n)?.state, "running");
  apply("cgroup_renamed", { ...WEB, path: "/db.service", createdNs: 0n, hierarchy: 4 }, 6n * S);
  assert.equal(table.find(10n)?.path, WEB.path, "of another hierarchy");
});

Deno.test("CgroupTable.retrack() reads all paths again and tells only what has changed", () => {
  let suffix = ".none";
  const { table, told, apply, place } = bench({ track: (path) => trackBySuffix(suffix)(path) });
  table.applyFound(cgroupFound(ROOT));
  apply("cgroup_created", { id: 10n, path: "/web.box" }, S);
  apply("cgroup_created", { id: 11n, path: "/web.box/a", parentId: 10n }, S);
  apply("cgroup_created", { id: 12n, path: "/plain" }, S);
  assert.equal(place(11n, S).trackingId, 1n);
  told.length = 0;
  suffix = ".box";
  table.retrack();
  assert.deepEqual(told, ["changed 10 /web.box", "changed 11 /web.box/a"]);
  assert.equal(place(11n, S).trackingId, 10n);
  table.retrack();
  assert.equal(told.length, 2);
});

Deno.test("CgroupTable asks the kernel's table when the record of a making was lost", () => {
  const recalled = {
    ...{ parentId: 1n, trackingId: 10n, createdNs: 5n, level: 1, isLeaf: true },
    isContainer: false,
  };
  const { table, place, value } = bench({
    recall: (id) =>
      id === 10n
        ? { ...recalled, name: "web.service" }
        : id === 11n
        ? { ...recalled, name: undefined }
        : undefined,
  });
  table.applyFound(cgroupFound(ROOT));
  assert.equal(place(10n, S).path, "/web.service");
  assert.equal(place(11n, S).trackingId, 10n);
  assert.equal(place(12n, S).path, undefined);
  assert.equal(value("shrike_cgroup_lookups_total", { result: "recalled" }), 2);
  assert.equal(table.size, 3);
});

Deno.test("CgroupTable asks for ancestors whose makings were lost, too, and no end of them", () => {
  const rows = new Map([
    [11n, { parentId: 10n, name: "web", level: 2 }],
    [10n, { parentId: 1n, name: "docker", level: 1 }],
    // A row that names itself as its parent.
    [99n, { parentId: 99n, name: "loop", level: 1 }],
  ]);
  const asked: bigint[] = [];
  const { table, place } = bench({
    recall: (id) => {
      asked.push(id);
      const row = rows.get(id);
      return row && { ...row, trackingId: id, createdNs: 5n, isLeaf: false, isContainer: false };
    },
  });
  table.applyFound(cgroupFound(ROOT));
  assert.equal(place(11n, 6n * S).path, "/docker/web");
  assert.equal(table.find(10n)?.path, "/docker");
  assert.deepEqual(asked, [11n, 10n]);
  assert.equal(place(99n, 6n * S).path, undefined);
  assert(asked.length < 100);
});

Deno.test("CgroupTable finds missed removals, and only those", () => {
  const gone = new Set<bigint>();
  const { table, apply, value } = bench({ exists: (_, id) => !gone.has(id) });
  apply("cgroup_created", WEB, S);
  apply("cgroup_created", { id: 11n, path: "/told" }, S);
  gone.add(10n).add(11n);
  table.sweep(2n * S);
  assert.equal(table.find(10n)?.state, "new");
  apply("cgroup_removed", { id: 11n, path: "/told", createdNs: S }, 2n * S);
  table.sweep(3n * S);
  assert.equal(table.find(10n)?.removedNs, 3n * S);
  assert.equal(table.find(11n)?.removedNs, 2n * S);
  assert.equal(value("shrike_cgroup_sweep_finds_total"), 1);
});

Deno.test("CgroupTable looks for some cgroups at a time, and for all of them in turn", () => {
  const looked: bigint[] = [];
  const { table, apply } = bench({ exists: (_, id) => looked.push(id) > 0 });
  for (let id = 1n; id <= 150n; id++) apply("cgroup_created", { id, path: `/${id}` }, S);
  const counts: number[] = [];
  for (let turn = 0; turn < 4; turn++) {
    const before = looked.length;
    table.sweep(S);
    counts.push(looked.length - before);
  }
  assert.deepEqual(counts, [64, 64, 22, 64]);
  assert.equal(new Set(looked).size, 150);
});

Deno.test("CgroupTable gives up removed cgroups for new ones, and then refuses", () => {
  const { table, apply, value } = bench({ entriesMax: 2 });
  apply("cgroup_created", WEB, S);
  apply("cgroup_removed", { ...WEB, createdNs: S }, S);
  apply("cgroup_created", { id: 11n, path: "/a" }, 2n * S);
  apply("cgroup_created", { id: 12n, path: "/b" }, 2n * S);
  assert.deepEqual([...table.entries()].map(({ id }) => id), [11n, 12n]);
  assert.equal(apply("cgroup_created", { id: 13n, path: "/c" }, 2n * S), undefined);
  assert.equal(value("shrike_cgroup_table_evictions_total"), 1);
  assert.equal(value("shrike_cgroup_table_full_total"), 1);
  assert.equal(value("shrike_cgroup_table_entries"), 2);
  assert.equal(value("shrike_cgroup_table_capacity"), 2);
});

Deno.test("CgroupTable ignores facts of other hierarchies and counts what is too deep", () => {
  const { table, apply, value } = bench();
  assert.equal(apply("cgroup_created", { ...WEB, hierarchy: 4 }, S), undefined);
  assert.equal(value("shrike_cgroup_facts_ignored_total"), 1);
  apply("cgroup_created", { ...WEB, level: 33, isTooDeep: true, createdNs: 0n }, S);
  assert.equal(value("shrike_cgroup_too_deep_total"), 1);
  // The kernel has no time of it, so its end carries none either.
  assert.equal(table.find(10n)?.createdNs, S);
  apply("cgroup_removed", { ...WEB, createdNs: 0n }, 2n * S);
  assert.equal(table.find(10n)?.state, "removed");
});
