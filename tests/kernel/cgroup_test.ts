/**
 * The cgroup sensor on the running kernel, with cgroups of the test's own: records, the kernel's
 * map, and what process records say.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { CgroupFact } from "../../src/events/mod.ts";
import { CgroupTable } from "../../src/state/mod.ts";
import { Counters } from "../../src/telemetry/mod.ts";
import { CgroupCount, CgroupState } from "../../src/wire/mod.ts";
import { CgroupBench, cgroupFacts, execsOf, isAbout } from "../support/cgroup_bench.ts";
import { single } from "../support/expect_event.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { TestCgroup, v2Hierarchy } from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();
const CONTAINER_ID = "0123456789abcdef".repeat(4);

kernelTest({
  name: "cgroup sensor reports making and removal with path, ids, level and maker",
  async run() {
    using bench = CgroupBench.shared();
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
      policySet: 0,
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
    strictEqual(bench.map.find(id), undefined, "its room is free at once");
    await bench.recorder.until(isAbout("cgroup_released", id));
    strictEqual(bench.recorder.lost, 0);
  },
});

kernelTest({
  name: "cgroup sensor: the first exec in a new cgroup has its id, workload and path",
  async run() {
    using bench = CgroupBench.shared();
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
    using bench = CgroupBench.shared();
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
  name: "cgroup sensor tells tasks that are moved, only when asked, but always this process",
  async run() {
    const pidNs = Number(/\d+/.exec(Deno.readLinkSync("/proc/self/ns/pid"))?.[0]);
    for (const report_attach of [true, false]) {
      using bench = new CgroupBench(v2Hierarchy(), {
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
    using bench = CgroupBench.shared();
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
    using bench = CgroupBench.shared();
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
