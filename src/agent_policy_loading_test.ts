import assert from "node:assert/strict";
import {
  AgentPoliciesBench as Bench,
  openat,
  S,
  WEB_ONLY,
} from "../tests/support/agent_policies_bench.ts";
import { cgroupFact } from "../tests/support/sample_cgroups.ts";
import { sampleProcess, toText } from "../tests/support/sample_events.ts";
import { PENDING_WEB, WEB } from "../tests/support/sample_workloads.ts";

Deno.test("AgentPolicies gives each cgroup the policies that select its workload", async () => {
  const bench = new Bench();
  bench.made(10n, "/web", { workload: WEB });
  bench.made(11n, "/other");
  await bench.add(openat("web", { spec: WEB_ONLY }));
  await bench.add(openat("all"));
  assert.deepEqual([bench.seen(undefined, 10n), bench.seen(undefined, 11n)], [
    ["all", "web"],
    ["all"],
  ]);
  bench.made(12n, "/web/deep", { parentId: 10n, workload: WEB });
  assert.deepEqual(bench.seen(undefined, 12n), ["all", "web"]);
  assert.equal(bench.policies.show("web")!.status.workloads, 1);
  assert.equal(bench.counters.total("shrike_policy_uncovered_total"), 0, "it inherited them");
  bench.table!.apply(cgroupFact("cgroup_removed", { id: 10n, path: "/web", createdNs: 5n }, 9n));
  bench.table!.apply(
    cgroupFact("cgroup_removed", { id: 12n, path: "/web/deep", createdNs: 5n }, 9n),
  );
  assert.equal(bench.policies.show("web")!.status.workloads, 0);
});

Deno.test("AgentPolicies corrects a new cgroup, and one whose name is learned, and measures", async () => {
  const bench = new Bench();
  await bench.add(openat("web", { spec: WEB_ONLY }));
  bench.made(10n, "/web", { workload: PENDING_WEB, timeNs: 90n * S });
  assert.deepEqual(bench.seen(undefined, 10n), [], "its name is not known yet");
  bench.workloads.set(10n, WEB);
  bench.policies.amend(10n);
  await bench.quiet();
  assert.deepEqual(bench.seen(undefined, 10n), ["web"]);
  const seconds = (cause: string) =>
    bench.counters.snapshot().find(({ name, labels }) =>
      name === "shrike_policy_uncovered_longest_seconds" && labels["cause"] === cause
    )?.value;
  assert.equal(seconds("learned"), 10);
  bench.made(11n, "/next", { workload: { ...WEB, id: "b" }, timeNs: 99n * S });
  assert.deepEqual(bench.seen(undefined, 11n), ["web"]);
  assert.equal(seconds("made"), 1);
  assert.equal(bench.counters.total("shrike_policy_uncovered_total"), 2);
});

Deno.test("AgentPolicies refuses policies on workloads where cgroups are not followed", async () => {
  const bench = new Bench({ followsCgroups: false });
  assert.match(await bench.refusal(openat("p", { spec: WEB_ONLY })), /does not follow cgroups/);
  assert.ok((await bench.add(openat("p"))).isDone);
});

const TEMPLATE = `apiVersion: shrike.io/v1alpha1
kind: TracingPolicyTemplate
metadata: {name: secrets}
spec:
  variables: [{name: paths, type: stringList}]
  kprobes:
  - call: openat
    syscall: true
    args: [{index: 1, type: string}]
    selectors:
    - matchArgs: [{index: 1, operator: Equal, valuesFromVariable: paths}]
`;

function binding(name: string, path: string, more = ""): string {
  return `apiVersion: shrike.io/v1alpha1
kind: TracingPolicyBinding
metadata: {name: ${name}}
spec:
  template: secrets
  values: {paths: ["${path}"]}
${more}`;
}

Deno.test("AgentPolicies makes policies of templates and bindings, and again when they change", async () => {
  const bench = new Bench();
  assert.match(await bench.refusal(binding("b", "/a")), /there is no template secrets/);
  assert.ok((await bench.add(`${TEMPLATE}---\n${binding("b", "/a")}`)).isDone);
  assert.deepEqual(bench.policies.show("b")!.status.binding, { template: "secrets", name: "b" });
  assert.deepEqual([bench.seen("/a"), bench.seen("/b")], [["b"], []]);
  assert.ok((await bench.add(binding("b", "/b"), { replaces: true })).isDone);
  assert.deepEqual([bench.seen("/a"), bench.seen("/b")], [[], ["b"]]);
  await bench.policies.setEnabled("b", false);
  const other = TEMPLATE.replace("operator: Equal", "operator: Prefix");
  assert.ok((await bench.add(other, { replaces: true })).isDone);
  assert.equal(bench.policies.show("b")!.status.state, "disabled", "its state has stayed");
  await bench.policies.setEnabled("b", true);
  assert.deepEqual(bench.seen("/b/c"), ["b"]);
  await assert.rejects(bench.policies.remove("secrets"), { name: "PolicyInUseError" });
  assert.equal(await bench.policies.remove("b"), true);
  assert.equal(await bench.policies.remove("secrets"), true);
});

Deno.test("AgentPolicies lets the binding with the higher priority hold, and keeps its mode", async () => {
  const bench = new Bench();
  bench.made(10n, "/web", { workload: WEB });
  const allow = "  overrideAllowed: true\n";
  await bench.add(`${TEMPLATE}---\n${binding("low", "/a", allow)}`);
  const high = `${allow}  overridePriority: 9\n${WEB_ONLY}`;
  assert.ok((await bench.add(binding("high", "/a", high))).isDone);
  assert.deepEqual([bench.seen("/a", 10n), bench.seen("/a")], [["high"], ["low"]]);
  await bench.policies.setEnabled("high", false);
  assert.deepEqual(bench.seen("/a", 10n), ["low"]);
  const rival = await bench.refusal(binding("rival", "/a"));
  assert.match(rival, /^1: bindings "low" and "rival" of template "secrets" select the host/);
});

Deno.test("AgentPolicies tells the kernel of processes that ran before a program watched", async () => {
  const bench = new Bench();
  bench.kernel.followsProcesses = true;
  const exe = (path: string) => ({
    ...{ path: toText(path), inode: 1n, device: { major: 1, minor: 1 }, links: 1, mode: 0o755 },
    ...{ uid: 0, gid: 0, deleted: false, memfd: false },
  });
  const shell = { process: sampleProcess({ tgid: 10, exe: exe("/bin/sh") }), parent: undefined };
  const child = { process: sampleProcess({ tgid: 11, exe: exe("/bin/ls") }), parent: shell };
  const other = { process: sampleProcess({ tgid: 12, exe: exe("/bin/ls") }), parent: undefined };
  bench.processes.push(shell, child, other);
  const text = openat("p").replace(
    "    - matchArgs:",
    "    - matchPIDs: [{operator: In, values: [10], followForks: true}]\n      matchArgs:",
  );
  assert.ok((await bench.add(text)).isDone);
  assert.deepEqual(bench.kernel.entered.map(({ tgid, trees }) => [tgid, trees]), [
    ...[[10, 1n], [11, 1n], [12, 0n]],
  ]);
  assert.ok(bench.kernel.entered.every(({ given }) => given !== undefined));
  bench.kernel.entered.length = 0;
  await bench.add(openat("q"));
  assert.deepEqual(bench.kernel.entered, [], "nothing new is asked of them");
});
