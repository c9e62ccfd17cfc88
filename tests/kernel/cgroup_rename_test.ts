/** Cgroups that get another name: only v1 can do that. */
import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import type { CgroupFact } from "../../src/events/mod.ts";
import { CgroupTable } from "../../src/state/mod.ts";
import { CgroupBench, cgroupFacts, execsOf, isAbout } from "../support/cgroup_bench.ts";
import { kernelTest, skipLine } from "../support/require_kernel.ts";
import { mountV1, TestCgroup, v1Hierarchy, v2Hierarchy } from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();
const CONTROLLER = "pids";

/** Names that end in ".box" are workloads of their own, with all below them. */
function trackBoxes(path: string) {
  const at = path.split("/").findIndex((part) => part.endsWith(".box"));
  return { level: Math.max(at, 0), isLeaf: at > 0, isContainer: at > 0 };
}

kernelTest({
  name: "cgroup sensor reports a rename; table and map know it for all that is below",
  async run() {
    await using mounted = v1Hierarchy(CONTROLLER) ? undefined : await mountV1(CONTROLLER);
    const hierarchy = v1Hierarchy(CONTROLLER) ?? mounted;
    if (hierarchy === undefined) return skipLine("cgroup_rename", "pids cannot be had as v1");
    using bench = new CgroupBench(hierarchy, { controller: CONTROLLER });
    const table = new CgroupTable({
      hierarchy: hierarchy.hierarchyId,
      counters: bench.counters,
      track: trackBoxes,
      onChange: (change, cgroup) => {
        if (change === "changed") bench.map.correct(cgroup.id, cgroup.createdNs, cgroup);
      },
    });
    const apply = (facts: readonly CgroupFact[]) => facts.forEach((fact) => table.apply(fact));
    using root = new TestCgroup(hierarchy);
    const before = root.make("before");
    const inner = before.make("inner");
    const ids = [root.id, before.id, inner.id];
    apply(cgroupFacts(await bench.upTo(isAbout("cgroup_created", inner.id)), ids));
    strictEqual(bench.map.find(before.id)?.name, "before");
    const [innerId, boxId] = [inner.id, before.id];
    const box = before.rename("after.box");
    strictEqual(box.id, boxId, "a rename keeps the id");
    const facts = cgroupFacts(await bench.upTo(isAbout("cgroup_renamed", boxId)), ids);
    const renamed = facts.at(-1);
    strictEqual(facts.length, 1);
    strictEqual(renamed?.path.text, box.path);
    strictEqual(renamed.name.text, "after.box");
    strictEqual(renamed.actorTgid, Deno.pid);
    strictEqual(renamed.createdNs, table.find(boxId)?.createdNs);
    apply(facts);
    deepStrictEqual(
      [boxId, innerId].map((id) => [table.find(id)?.path, table.find(id)?.trackingId]),
      [[box.path, boxId], [`${box.path}/inner`, boxId]],
    );
    const rows = [bench.map.find(boxId), bench.map.find(innerId)];
    deepStrictEqual(rows.map((row) => [row?.name, row?.trackingId, row?.isContainer]), [
      ["after.box", boxId, true],
      ["inner", boxId, true],
    ]);
    // The kernel itself says so from here on.
    const { pid } = await box.below("inner").run(program, ["exit"]);
    const run = await bench.upTo((fact) => fact.type === "process_exited" && fact.tgid === pid);
    deepStrictEqual(execsOf(run, pid).at(-1)?.cgroup, {
      ...{ id: innerId, trackingId: boxId, level: 3, hierarchy: hierarchy.hierarchyId },
    });
  },
});

kernelTest({
  name: "cgroup v2 has no renames, so that paths there are for good",
  run() {
    using cgroup = new TestCgroup(v2Hierarchy());
    throws(() => cgroup.rename(`${cgroup.path.slice(1)}-other`));
  },
});
