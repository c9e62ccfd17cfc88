/**
 * The cgroup sensor on the running kernel, at its limits and in other hierarchies than v2.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { trackingOf } from "../../src/agent_cgroups.ts";
import type { CgroupFact } from "../../src/events/mod.ts";
import { cgroupSettings } from "../../src/sensors/mod.ts";
import { CgroupTable } from "../../src/state/mod.ts";
import { Counters } from "../../src/telemetry/mod.ts";
import { CgroupCount, CgroupLimit, RecordFlag, RecordHeaderOffset } from "../../src/wire/mod.ts";
import { recognisePath } from "../../src/workloads/mod.ts";
import { CgroupBench, cgroupFacts, execsOf, isAbout } from "../support/cgroup_bench.ts";
import { SensorRecorder, single } from "../support/expect_event.ts";
import { IS_GUEST, kernelTest, skipLine } from "../support/require_kernel.ts";
import { mountV1, TestCgroup, v1Hierarchy, v2Hierarchy } from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

kernelTest({
  name: "cgroup sensor counts cgroups below level 32 and flags records of their processes",
  async run() {
    using bench = new CgroupBench();
    using root = new TestCgroup(bench.hierarchy);
    let cgroup: TestCgroup = root.make("nest.scope");
    const tracked = cgroup.id;
    const names: string[] = [];
    while (cgroup.level < CgroupLimit.CGROUP_LEVEL_MAX + 2) {
      // Long enough for a path that the kernel cuts.
      names.push(`${cgroup.level}-`.padEnd(64, "n"));
      cgroup = cgroup.make(names.at(-1)!);
    }
    strictEqual(bench.map.count(CgroupCount.CGROUP_COUNT_TOO_DEEP), 2);
    strictEqual(bench.map.find(cgroup.id), undefined);
    const { pid } = await cgroup.run(program, ["exit"]);
    await bench.recorder.until((fact) => fact.type === "process_exited" && fact.tgid === pid);
    const exec = execsOf(bench.recorder.descendants(pid), pid).at(-1);
    ok(exec !== undefined);
    strictEqual(exec.cgroup.id, cgroup.id);
    strictEqual(exec.cgroup.trackingId, tracked);
    strictEqual(exec.cgroup.level, CgroupLimit.CGROUP_LEVEL_MAX + 2);
    const bytes = bench.recorder.recordOf(exec);
    const flags = new DataView(bytes.buffer).getUint16(RecordHeaderOffset.flags, true);
    strictEqual(flags, RecordFlag.RECORD_CGROUP_TOO_DEEP);
    ok(bench.map.count(CgroupCount.CGROUP_COUNT_DEEP_TASK) > 0);
    const table = new CgroupTable({ hierarchy: 0, counters: new Counters() });
    for (const fact of bench.recorder.take()) {
      if (fact.type === "cgroup_created") table.apply(fact);
    }
    strictEqual(table.find(cgroup.id)?.path, cgroup.path);
    ok(cgroup.path.length > 1023);
  },
});

kernelTest({
  name: "cgroup sensor: a container at level 34 does not take the name from the one around it",
  async run() {
    const [outer, inner] = ["ab", "cd"].map((digits) => digits.repeat(32));
    using bench = new CgroupBench();
    using root = new TestCgroup(bench.hierarchy);
    const container = root.make(`docker-${outer}.scope`);
    let cgroup = container;
    while (cgroup.level <= CgroupLimit.CGROUP_LEVEL_MAX) cgroup = cgroup.make(`${cgroup.level}`);
    cgroup = cgroup.make(`docker-${inner}.scope`);
    const { pid } = await cgroup.run(program, ["exit"]);
    const facts = await bench.upTo((fact) => fact.type === "process_exited" && fact.tgid === pid);
    const track = (path: string) => trackingOf(path, recognisePath(path));
    const table = new CgroupTable({ hierarchy: 0, counters: new Counters(), track });
    for (const fact of facts) {
      if (fact.type.startsWith("cgroup_")) table.apply(fact as CgroupFact);
    }
    const exec = execsOf(facts, pid).at(-1)!;
    // What the kernel says, and what user space makes of the path.
    for (const place of [exec.cgroup, table.place(exec.cgroup, exec.timeNs)]) {
      deepStrictEqual([place.id, place.trackingId], [cgroup.id, container.id]);
    }
    const named = recognisePath(table.find(container.id)?.path ?? "");
    deepStrictEqual([named.kind, named.id], ["container", outer]);
  },
});

kernelTest({
  name: "cgroup sensor counts cgroups that find no room, and reports them all the same",
  async run() {
    using bench = new CgroupBench(v2Hierarchy(), { entries: 8 });
    using root = new TestCgroup(bench.hierarchy);
    const cgroups = Array.from({ length: 64 }, (_, index) => root.make(`${index}.scope`));
    const unknown = cgroups.filter(({ id }) => bench.map.find(id) === undefined).length;
    ok(unknown >= 32, `${unknown} are unknown`);
    strictEqual(bench.map.count(CgroupCount.CGROUP_COUNT_FULL), unknown);
    const last = cgroups.at(-1)!;
    const facts = await bench.upTo(isAbout("cgroup_created", last.id));
    const table = new CgroupTable({ hierarchy: 0, counters: new Counters() });
    for (const fact of cgroupFacts(facts, cgroups.map(({ id }) => id))) table.apply(fact);
    strictEqual(table.size, 64);
    strictEqual(table.find(last.id)?.path, last.path);
    ok((table.find(last.id)?.createdNs ?? 0n) > 0n);
  },
});

kernelTest({
  name: "cgroup sensor: thousands of cgroups made and removed leave nothing behind",
  run() {
    // An emulated CPU takes 2 ms for each.
    const [rounds, entries] = IS_GUEST ? [20, 1024] : [100, 4096];
    using bench = new CgroupBench(v2Hierarchy(), { entries });
    using root = new TestCgroup(bench.hierarchy);
    const table = new CgroupTable({
      hierarchy: 0,
      counters: bench.counters,
      removalDelayMs: 0,
      onChange: (change, { id, createdNs }) => {
        if (change === "forgotten") bench.map.delete(id, createdNs);
      },
    });
    let largest = 0;
    let removed = 0;
    const apply = () => {
      for (const fact of bench.recorder.take()) {
        if (!fact.type.startsWith("cgroup_")) continue;
        table.apply(fact as CgroupFact);
        if (fact.type === "cgroup_removed") removed += 1;
        table.sweep(fact.timeNs);
        largest = Math.max(largest, table.size);
      }
    };
    for (let round = 0; round < rounds; round++) {
      const cgroups = Array.from({ length: 100 }, (_, index) => root.make(`${round}-${index}`));
      for (const cgroup of cgroups) cgroup.remove();
      apply();
    }
    strictEqual(bench.recorder.lost, 0);
    ok(removed >= 100 * rounds && removed > entries);
    ok(largest < 200, `up to ${largest} in the table`);
    strictEqual(bench.map.count(CgroupCount.CGROUP_COUNT_FULL), 0);
  },
});

kernelTest({
  name: "cgroup sensor sees nothing of other hierarchies",
  async run() {
    await using other = await mountV1(`none,name=shriketest${Deno.pid}`);
    if (other === undefined) return skipLine("cgroup sensor, other hierarchies", "no v1 mount");
    using bench = new CgroupBench();
    using foreign = new TestCgroup(other);
    using own = new TestCgroup(bench.hierarchy);
    const facts = await bench.upTo(isAbout("cgroup_created", own.id));
    const about = facts.filter((fact) => "path" in fact && fact.path.text === own.path);
    strictEqual(about.length, 1);
    if (foreign.id !== own.id) strictEqual(bench.map.find(foreign.id), undefined);
  },
});

kernelTest({
  name: "cgroup sensor follows a v1 controller: ids are inodes of its hierarchy",
  async run() {
    await using mounted = v1Hierarchy("memory") === undefined ? await mountV1("pids") : undefined;
    const hierarchy = v1Hierarchy("memory") ?? mounted;
    if (hierarchy === undefined) {
      return skipLine("cgroup sensor, v1", "neither memory nor pids can be had as v1");
    }
    const controller = mounted === undefined ? "memory" : "pids";
    using bench = new CgroupBench(hierarchy, { controller });
    using cgroup = new TestCgroup(hierarchy);
    using v2 = new TestCgroup(v2Hierarchy());
    const { pid } = await cgroup.run(program, ["exit"]);
    const facts = await bench.upTo((fact) => fact.type === "process_exited" && fact.tgid === pid);
    const { hierarchyId } = hierarchy;
    const { id } = cgroup;
    deepStrictEqual(execsOf(facts, pid).at(-1)?.cgroup, {
      ...{ id, trackingId: id, level: 1, hierarchy: hierarchyId },
    });
    const created = single(facts.filter((fact) => fact.type === "cgroup_created"));
    strictEqual(created.path.text, cgroup.path);
    strictEqual(created.cgroup.hierarchy, hierarchyId);
    strictEqual(bench.map.find(v2.id === id ? 0n : v2.id), undefined);
  },
});

kernelTest({
  name: "cgroup sensor that follows nothing reports nothing, and processes have id 0",
  async run() {
    using recorder = new SensorRecorder({}, { cgroup: cgroupSettings(undefined) });
    using _cgroup = new TestCgroup(v2Hierarchy());
    const run = await recorder.record(program, ["exit"]);
    for (const fact of run.facts) {
      deepStrictEqual(fact.cgroup, { id: 0n, trackingId: 0n, level: 0, hierarchy: 0 });
      const bytes = recorder.recordOf(fact);
      const flags = new DataView(bytes.buffer).getUint16(RecordHeaderOffset.flags, true);
      strictEqual(flags, RecordFlag.RECORD_NO_CGROUP);
    }
    strictEqual(recorder.take().filter(({ type }) => type.startsWith("cgroup_")).length, 0);
  },
});

kernelTest({
  name: "cgroup sensor: a process is not lost however deep it goes below its workload",
  async run() {
    using bench = new CgroupBench();
    using root = new TestCgroup(bench.hierarchy);
    const workload = root.make("deep.scope");
    let cgroup = workload;
    while (cgroup.level < CgroupLimit.CGROUP_LEVEL_MAX * 4) cgroup = cgroup.make("d");
    const { pid } = await cgroup.run(program, ["exit"]);
    await bench.recorder.until((fact) => fact.type === "process_exited" && fact.tgid === pid);
    const exec = execsOf(bench.recorder.descendants(pid), pid).at(-1);
    deepStrictEqual([exec?.cgroup.id, exec?.cgroup.trackingId], [cgroup.id, workload.id]);
  },
});

/** Those that the map has. */
function entered(bench: CgroupBench, cgroups: readonly TestCgroup[]): number {
  return cgroups.filter(({ id }) => bench.map.find(id) !== undefined).length;
}

kernelTest({
  name: "cgroup sensor: a workload cannot use up the map, and what is over its share is still its",
  async run() {
    using bench = new CgroupBench(v2Hierarchy(), { settings: { cgroup_share_workload: 4 } });
    using root = new TestCgroup(bench.hierarchy);
    const workload = root.make(`docker-${"ab".repeat(32)}.scope`);
    const make = (count: number) =>
      Array.from({ length: count }, (_, index) => workload.make(`docker-${index}.scope`));
    const many = make(12);
    strictEqual(entered(bench, many), 4);
    strictEqual(bench.map.count(CgroupCount.CGROUP_COUNT_SHARE_FULL), 8);
    const last = many.at(-1)!;
    const { pid } = await last.run(program, ["exit"]);
    const facts = await bench.upTo((fact) => fact.type === "process_exited" && fact.tgid === pid);
    const exec = execsOf(facts, pid).at(-1)!;
    deepStrictEqual([exec.cgroup.id, exec.cgroup.trackingId], [last.id, workload.id]);
    const counters = new Counters();
    const table = new CgroupTable({ hierarchy: 0, counters });
    for (const fact of facts) {
      if (fact.type.startsWith("cgroup_")) table.apply(fact as CgroupFact);
    }
    strictEqual(table.find(last.id), undefined, "user space has no more room for it");
    strictEqual(counters.total("shrike_cgroup_over_share_total"), 8);
    // Others have theirs.
    strictEqual(entered(bench, [root.make(`docker-${"cd".repeat(32)}.scope`)]), 1);
    // Making and removing in a loop leaves nothing behind.
    for (const cgroup of many) cgroup.remove();
    for (let round = 0; round < 50; round++) workload.make(`round-${round}`).remove();
    const again = make(12);
    strictEqual(entered(bench, again), 4);
  },
});

kernelTest({
  name: "cgroup sensor: users have their share of the map, and root the rest",
  async run() {
    const settings = { cgroup_share_user: 3, cgroup_share_all: 5 };
    using bench = new CgroupBench(v2Hierarchy(), { settings });
    using root = new TestCgroup(bench.hierarchy);
    const enteredBy = async (uid: number): Promise<number> => {
      const top = root.make(`user-${uid}`);
      Deno.chownSync(top.directory, uid, uid);
      const names = Array.from({ length: 8 }, (_, index) => `docker-${index}.scope`);
      const { success } = await new Deno.Command("/bin/mkdir", {
        args: names.map((name) => `${top.directory}/${name}`),
        ...{ uid, gid: uid },
      }).output();
      strictEqual(success, true);
      const ids = names.map((name) => BigInt(Deno.statSync(`${top.directory}/${name}`).ino!));
      return ids.filter((id) => bench.map.find(id) !== undefined).length;
    };
    strictEqual(await enteredBy(65_533), 3);
    strictEqual(await enteredBy(65_534), 2, "all users together have a share too");
    const containers = Array.from({ length: 20 }, (_, index) => root.make(`${index}`));
    strictEqual(entered(bench, containers), 20);
    strictEqual(bench.map.count(CgroupCount.CGROUP_COUNT_FULL), 0);
  },
});
