/**
 * The cgroup sensor on the running kernel, with cgroups of the test's own: records, the kernel's map,
 * what process records say, and the table that user space makes of it.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { CgroupFact, KernelFact, ProcessExecuted } from "../../src/events/mod.ts";
import { CGROUP_COUNTS_MAP, CgroupMap, CGROUPS_MAP } from "../../src/loader/mod.ts";
import { cgroupSettings, type SensorSettings } from "../../src/sensors/mod.ts";
import { CgroupTable } from "../../src/state/mod.ts";
import { Counters } from "../../src/telemetry/mod.ts";
import {
  CgroupCount,
  CgroupLimit,
  CgroupState,
  RecordFlag,
  RecordHeaderOffset,
} from "../../src/wire/mod.ts";
import { SensorRecorder, single } from "../support/expect_event.ts";
import { kernelTest, skipLine } from "../support/require_kernel.ts";
import {
  mountV1,
  TestCgroup,
  type TestHierarchy,
  v1Hierarchy,
  v2Hierarchy,
} from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();
const CONTAINER_ID = "0123456789abcdef".repeat(4);

/** All sensors in the kernel, following one hierarchy. */
class Bench {
  readonly recorder: SensorRecorder;
  readonly map: CgroupMap;
  readonly counters = new Counters();

  constructor(
    readonly hierarchy: TestHierarchy = v2Hierarchy(),
    { controller, entries, settings = {} }: {
      readonly controller?: string;
      readonly entries?: number;
      readonly settings?: SensorSettings;
    } = {},
  ) {
    const tracked = cgroupSettings({
      hierarchyId: hierarchy.hierarchyId,
      ...(controller !== undefined && { controller }),
    });
    this.recorder = new SensorRecorder({}, {
      cgroup: { ...tracked, ...settings },
      ...(entries !== undefined && { mapEntries: { [CGROUPS_MAP]: entries } }),
    });
    const map = this.recorder.sensors.sharedMap(CGROUPS_MAP);
    ok(map !== undefined);
    this.map = new CgroupMap({
      map,
      countsMap: this.recorder.sensors.sharedMap(CGROUP_COUNTS_MAP),
      hierarchy: hierarchy.hierarchyId,
      counters: this.counters,
    });
  }

  /** Waits until the making of a cgroup is told, and gives all that was told so far. */
  async upTo(matches: (fact: KernelFact) => boolean): Promise<KernelFact[]> {
    await this.recorder.until(matches);
    return this.recorder.take();
  }

  [Symbol.dispose](): void {
    this.recorder[Symbol.dispose]();
  }
}

function isAbout(type: CgroupFact["type"], id: bigint): (fact: KernelFact) => boolean {
  return (fact) => fact.type === type && fact.cgroup.id === id;
}

function cgroupFacts(facts: readonly KernelFact[], ids: readonly bigint[]): CgroupFact[] {
  return facts.filter((fact): fact is CgroupFact =>
    fact.type.startsWith("cgroup_") && ids.includes(fact.cgroup.id)
  );
}

function execsOf(facts: readonly KernelFact[], tgid: number): ProcessExecuted[] {
  return facts.filter((fact): fact is ProcessExecuted =>
    fact.type === "process_executed" && fact.tgid === tgid
  );
}

kernelTest({
  name: "cgroup sensor reports making and removal with path, ids, level and maker",
  async run() {
    using bench = new Bench();
    using cgroup = new TestCgroup(bench.hierarchy);
    const { id, path } = cgroup;
    const made = await bench.upTo(isAbout("cgroup_created", id));
    const created = single(cgroupFacts(made, [id]));
    strictEqual(created.path.text, path);
    strictEqual(created.name.text, path.slice(1));
    strictEqual(created.isPathCut, false);
    deepStrictEqual(created.cgroup, { id, trackingId: id, level: 1, hierarchy: 0 });
    strictEqual(created.parentId, BigInt(Deno.statSync(bench.hierarchy.path).ino ?? 0));
    strictEqual(created.tgid, Deno.pid);
    strictEqual(created.actorTgid, Deno.pid);
    ok(created.createdNs > 0n && created.createdNs <= created.timeNs);
    deepStrictEqual(bench.map.find(id), {
      parentId: created.parentId,
      trackingId: id,
      createdNs: created.createdNs,
      level: 1,
      state: CgroupState.CGROUP_NEW,
      isLeaf: false,
      isContainer: false,
      isAttached: false,
      name: path.slice(1),
    });
    cgroup.remove();
    const ended = await bench.upTo(isAbout("cgroup_removed", id));
    const [removed] = cgroupFacts(ended, [id]);
    strictEqual(removed?.type, "cgroup_removed");
    strictEqual(removed.createdNs, created.createdNs);
    strictEqual(removed.path.text, path);
    strictEqual(bench.map.find(id)?.state, CgroupState.CGROUP_REMOVED);
    await bench.recorder.until(isAbout("cgroup_released", id));
    strictEqual(bench.recorder.lost, 0);
  },
});

kernelTest({
  name: "cgroup sensor: the first exec in a new cgroup has its id, workload and path",
  async run() {
    using bench = new Bench();
    using slice = new TestCgroup(bench.hierarchy);
    using container = slice.make(`docker-${CONTAINER_ID}.scope`);
    using inner = container.make("payload");
    const { pid } = await inner.run(program, ["exit"]);
    const facts = await bench.upTo((fact) => fact.type === "process_exited" && fact.tgid === pid);
    const table = new CgroupTable({ hierarchy: 0, counters: new Counters() });
    const execs: string[] = [];
    for (const fact of facts) {
      if (fact.type === "process_executed") {
        const place = table.place(fact.cgroup, fact.timeNs);
        if (fact.tgid === pid) execs.push(`${place.path} ${place.trackingId}`);
      } else if (fact.type.startsWith("cgroup_")) {
        table.apply(fact as CgroupFact);
      }
    }
    // The shell began where this test is; what it becomes is in the container.
    strictEqual(execs.at(-1), `${inner.path} ${container.id}`);
    const last = execsOf(facts, pid).at(-1);
    deepStrictEqual(last?.cgroup, {
      id: inner.id,
      trackingId: container.id,
      level: 3,
      hierarchy: 0,
    });
    strictEqual(bench.map.find(inner.id)?.state, CgroupState.CGROUP_RUNNING);
    strictEqual(bench.map.find(inner.id)?.isAttached, true);
    strictEqual(bench.map.find(slice.id)?.state, CgroupState.CGROUP_NEW);
  },
});

kernelTest({
  name: "cgroup sensor hands the workload down below units and containers",
  run() {
    using bench = new Bench();
    using root = new TestCgroup(bench.hierarchy);
    const owner = (cgroup: TestCgroup) => bench.map.find(cgroup.id)?.trackingId;
    const service = root.make("web.service");
    const worker = service.make("worker").make("deep");
    const container = service.make(`libpod-payload-${CONTAINER_ID}`);
    const nested = container.make(CONTAINER_ID.replaceAll("0", "1"));
    const manager = root.make("user@1000.service");
    const own = manager.make("app.slice");
    const almost = root.make(CONTAINER_ID.slice(1));
    const upper = root.make(CONTAINER_ID.toUpperCase());
    deepStrictEqual(
      [service, worker, container, nested, manager, own, almost, upper].map(owner),
      [service, service, container, container, manager, own, almost, upper].map(({ id }) => id),
    );
    deepStrictEqual(
      [worker, nested, own].map(({ id }) => bench.map.find(id)).map((row) => [
        row?.isLeaf,
        row?.isContainer,
      ]),
      [[true, false], [true, true], [false, false]],
    );
    strictEqual(bench.map.find(service.make("x".repeat(100)).id)?.name, undefined);
  },
});

kernelTest({
  name: "cgroup sensor counts cgroups below level 32 and flags records of their processes",
  async run() {
    using bench = new Bench();
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
  name: "cgroup sensor tells tasks that are moved, only when asked, but always this process",
  async run() {
    const pidNs = Number(/\d+/.exec(Deno.readLinkSync("/proc/self/ns/pid"))?.[0]);
    for (const report_attach of [true, false]) {
      using bench = new Bench(v2Hierarchy(), {
        settings: { report_attach, agent_tgid: Deno.pid, agent_pid_ns: pidNs },
      });
      using cgroup = new TestCgroup(bench.hierarchy);
      const { pid } = await cgroup.run(program, ["exit"]);
      const own = /^0::(.*)$/m.exec(Deno.readTextFileSync("/proc/self/cgroup"))?.[1] ?? "";
      const directory = bench.hierarchy.path + own;
      Deno.writeTextFileSync(`${directory}/cgroup.procs`, String(Deno.pid));
      const facts = await bench.upTo((fact) =>
        fact.type === "cgroup_attached" && fact.tgid === Deno.pid
      );
      const moved = facts.filter((fact) => fact.type === "cgroup_attached");
      const ours = single(moved.filter(({ tgid }) => tgid === Deno.pid));
      strictEqual(ours.cgroup.id, BigInt(Deno.statSync(directory).ino ?? 0));
      strictEqual(ours.path.text, own);
      strictEqual(ours.isWholeGroup, true);
      strictEqual(ours.isTransfer, false);
      const others = moved.filter(({ tgid }) => tgid === pid);
      strictEqual(others.length, report_attach ? 1 : 0);
      if (report_attach) strictEqual(others[0]?.cgroup.id, cgroup.id);
    }
  },
});

kernelTest({
  name: "cgroup sensor finds the workload by an ancestor when the cgroup is older than the hooks",
  async run() {
    using root = new TestCgroup(v2Hierarchy());
    using unit = root.make("old.service");
    using inner = unit.make("inner");
    using bench = new Bench();
    const before = bench.map.count(CgroupCount.CGROUP_COUNT_ANCESTOR);
    bench.map.enter({
      ...{ id: unit.id, parentId: root.id, level: 2, name: "old.service" },
      ...{ trackingId: unit.id, isLeaf: true, isContainer: false },
    });
    const younger = inner.make("younger");
    strictEqual(bench.map.find(younger.id)?.trackingId, unit.id);
    const { pid } = await inner.run(program, ["exit"]);
    const facts = await bench.upTo((fact) => fact.type === "process_exited" && fact.tgid === pid);
    const { cgroup } = execsOf(facts, pid).at(-1)!;
    deepStrictEqual([cgroup.id, cgroup.trackingId], [inner.id, unit.id]);
    ok(bench.map.count(CgroupCount.CGROUP_COUNT_ANCESTOR) > before);
  },
});

kernelTest({
  name: "CgroupMap corrects what the kernel has guessed, and leaves later cgroups alone",
  run() {
    using bench = new Bench();
    using root = new TestCgroup(bench.hierarchy);
    using cgroup = root.make("guess.service");
    const { id } = cgroup;
    const made = bench.map.find(id);
    ok(made !== undefined);
    const owner = { trackingId: root.id, isLeaf: false, isContainer: false };
    bench.map.correct(id, made.createdNs - 1n, owner);
    deepStrictEqual(bench.map.find(id), made);
    bench.map.correct(id, made.createdNs, owner);
    deepStrictEqual(bench.map.find(id), { ...made, ...owner });
    strictEqual(bench.counters.total("shrike_cgroup_map_corrections_total"), 1);
    bench.map.enter({ ...made, ...owner, id, name: "other" });
    strictEqual(bench.map.find(id)?.name, "guess.service");
    bench.map.delete(id, made.createdNs - 1n);
    ok(bench.map.find(id) !== undefined);
    bench.map.delete(id, made.createdNs);
    strictEqual(bench.map.find(id), undefined);
    strictEqual(bench.counters.total("shrike_cgroup_map_failures_total"), 0);
  },
});

kernelTest({
  name: "cgroup sensor counts cgroups that find no room, and reports them all the same",
  async run() {
    using bench = new Bench(v2Hierarchy(), { entries: 8 });
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
  name: "cgroup sensor: 10,000 cgroups made and removed leave nothing behind",
  run() {
    using bench = new Bench(v2Hierarchy(), { entries: 4096 });
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
    for (let round = 0; round < 100; round++) {
      const cgroups = Array.from({ length: 100 }, (_, index) => root.make(`${round}-${index}`));
      for (const cgroup of cgroups) cgroup.remove();
      apply();
    }
    strictEqual(bench.recorder.lost, 0);
    ok(removed >= 10_000);
    ok(largest < 200, `up to ${largest} in the table`);
    strictEqual(bench.map.count(CgroupCount.CGROUP_COUNT_FULL), 0);
  },
});

kernelTest({
  name: "cgroup sensor sees nothing of other hierarchies",
  async run() {
    using other = await mountV1(`none,name=shriketest${Deno.pid}`);
    if (other === undefined) return skipLine("cgroup sensor, other hierarchies", "no v1 mount");
    using bench = new Bench();
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
    using mounted = v1Hierarchy("memory") === undefined ? await mountV1("pids") : undefined;
    const hierarchy = v1Hierarchy("memory") ?? mounted;
    if (hierarchy === undefined) {
      return skipLine("cgroup sensor, v1", "neither memory nor pids can be had as v1");
    }
    const controller = mounted === undefined ? "memory" : "pids";
    using bench = new Bench(hierarchy, { controller });
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
