import assert from "node:assert/strict";
import type { Workload } from "../events/mod.ts";
import type { HostCgroup } from "../host_workloads.ts";
import { encodeCgroups, formatCgroupTable, formatCgroupTree } from "./cgroup_list.ts";

const HOST: Workload = { kind: "host", name: "host", id: "host", source: "path" };
const SLICE: Workload = { kind: "slice", name: "a.slice", id: "/a.slice", source: "path" };
const WEB: Workload = {
  kind: "container",
  name: "web",
  id: "c1".repeat(32),
  source: "pending",
  reason: "lookup_running",
};

interface FakeCgroup {
  readonly id: bigint;
  readonly parentId?: bigint;
  readonly path: string;
  readonly workload?: Workload;
  readonly processCount?: number;
  readonly isPopulated?: boolean;
}

function cgroup(
  { id, parentId = 1n, path, workload = HOST, processCount = 0, isPopulated = true }: FakeCgroup,
): HostCgroup {
  const level = path.split("/").length - 1;
  return { id, parentId, path, level, workload, processCount, isPopulated, trackingId: id };
}

const CGROUPS: readonly HostCgroup[] = [
  cgroup({ id: 1n, parentId: 0n, path: "/", processCount: 12 }),
  cgroup({ id: 20n, path: "/b" }),
  cgroup({ id: 30n, path: "/a.slice", workload: SLICE }),
  cgroup({ id: 400n, parentId: 30n, path: "/a.slice/c1", workload: WEB, processCount: 3 }),
  cgroup({ id: 500n, parentId: 20n, path: "/b/empty", isPopulated: false }),
];
const LOOK = { color: false };

function lines(text: string): string[] {
  return text.trimEnd().split("\n");
}

Deno.test("formatCgroupTree() draws what is chosen below its parents, siblings by name", () => {
  const text = formatCgroupTree(CGROUPS, ({ isPopulated }) => isPopulated, LOOK);
  assert.deepEqual(lines(text), [
    " ID PROCS STATE   WORKLOAD                       CGROUP",
    "  1    12 running host                           /",
    " 30     0 running slice a.slice                  ├─ a.slice",
    "400     3 running container web (lookup_running) │  └─ c1",
    " 20     0 running host                           └─ b",
  ]);
});

Deno.test("formatCgroupTree() keeps the ancestors of what is chosen", () => {
  const text = formatCgroupTree(CGROUPS, ({ workload }) => workload.kind === "container", LOOK);
  assert.deepEqual(lines(text).slice(1).map((line) => line.slice(48)), [
    " /",
    " └─ a.slice",
    "    └─ c1",
  ]);
});

Deno.test("formatCgroupTree() shows the whole path of a top that is not the root", () => {
  const top = cgroup({ id: 7n, parentId: 0n, path: "/docker/abc" });
  const below = cgroup({ id: 8n, parentId: 7n, path: "/docker/abc/x" });
  const texts = lines(formatCgroupTree([top, below], () => true, LOOK));
  assert.ok(texts[1]!.endsWith(" /docker/abc"));
  assert.ok(texts[2]!.endsWith(" └─ x"));
});

Deno.test("formatCgroupTable() has whole paths and the tracking id", () => {
  const text = formatCgroupTable(CGROUPS, ({ processCount }) => processCount > 0, LOOK);
  assert.deepEqual(lines(text), [
    " ID TRACKING PROCS STATE   WORKLOAD                       PATH",
    "  1        1    12 running host                           /",
    "400      400     3 running container web (lookup_running) /a.slice/c1",
  ]);
});

Deno.test("lists of cgroups let no control character of a name through", () => {
  const name = "x\x1b[2J\n\u202e";
  const hostile = [
    cgroup({ id: 1n, parentId: 0n, path: `/${name}`, workload: { ...WEB, name } }),
    cgroup({ id: 2n, path: `/${name}/${name}`, workload: { ...WEB, name } }),
  ];
  for (const format of [formatCgroupTree, formatCgroupTable]) {
    const text = format(hostile, () => true, LOOK);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    assert.equal(lines(text).length, 3);
  }
  for (const line of lines(encodeCgroups({ ...FOUND, cgroups: hostile }, () => true))) {
    assert.ok(JSON.parse(line).path.startsWith(`/${name}`));
  }
});

Deno.test("formatCgroupTree() cuts long names of workloads and lines on a terminal only", () => {
  const workload = { ...WEB, name: "n".repeat(200) };
  const cgroups = [cgroup({ id: 1n, parentId: 0n, path: `/${"p".repeat(200)}`, workload })];
  const cut = lines(formatCgroupTree(cgroups, () => true, { color: true, columns: 70 }));
  // deno-lint-ignore no-control-regex
  const bare = cut.map((line) => line.replaceAll(/\x1b\[\d+m/g, ""));
  assert.equal(bare[1]!.length, 70);
  assert.match(bare[1]!, /^ 1 +0 running container n{29}… \/p+…$/);
  assert.ok(cut[1]!.startsWith("\x1b[2m"));
  const whole = formatCgroupTree(cgroups, () => true, LOOK);
  assert.ok(whole.includes(workload.name) && whole.includes("p".repeat(200)));
});

const FOUND = { hierarchy: 4, cgroups: CGROUPS, beyondLimit: 0, openQuestions: 0 };

Deno.test("encodeCgroups() writes an object per line with ids as text", () => {
  const rows = lines(encodeCgroups(FOUND, () => true)).map((line) => JSON.parse(line));
  assert.equal(rows.length, CGROUPS.length);
  assert.equal("parent_id" in rows[0], false);
  assert.deepEqual(rows[3], {
    id: "400",
    parent_id: "30",
    hierarchy: 4,
    level: 2,
    path: "/a.slice/c1",
    state: "running",
    processes: 3,
    tracking_id: "400",
    workload: { ...WEB },
  });
  assert.equal(rows[4].state, "empty");
});
