import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import {
  AgentPoliciesBench as Bench,
  KILLS,
  openat,
  S,
  WEB_ONLY,
} from "../tests/support/agent_policies_bench.ts";
import { LoadError } from "./loader/mod.ts";
import { WEB } from "../tests/support/sample_workloads.ts";

Deno.test("AgentPolicies.add() brings a policy into the kernel and tells what it matches", async () => {
  const bench = new Bench();
  const outcome = await bench.add(openat("no-shadow") + KILLS);
  assert.ok(outcome.isDone);
  const [status] = outcome.policies;
  assert.deepEqual(
    [status!.name, status!.state, status!.mode, status!.guarantee, status!.workloads],
    ["no-shadow", "enabled", "enforce", "kill-after", null],
  );
  assert.equal(status!.kernelSize, 224, "one text: row and key");
  assert.deepEqual(bench.kernel.hooks, ["syscall openat"]);
  const [event, ...more] = bench.tell(bench.open());
  assert.equal(more.length, 0);
  assert.deepEqual(
    [event!.policy.name, event!.action, event!.policy.isEnforced, event!.functionName],
    ["no-shadow", "SIGKILL", true, samplePrefix() + "openat"],
  );
  assert.deepEqual(bench.seen("/etc/passwd"), []);
  const shown = bench.policies.show("no-shadow")!;
  assert.deepEqual(shown.status.hits, { post: 1, signal: 1, override: 0, monitored: 0 });
  assert.match(shown.text, /^apiVersion: shrike\.io/);
  assert.equal(bench.policies.list().length, 1);
});

function samplePrefix(): string {
  return Deno.build.arch === "aarch64" ? "__arm64_sys_" : "__x64_sys_";
}

Deno.test("AgentPolicies.remove() leaves nothing of a policy, once its bits have rested", async () => {
  const bench = new Bench();
  await bench.add(openat("p"));
  const hit = bench.open();
  assert.equal(await bench.policies.remove("p"), true);
  assert.equal(await bench.policies.remove("p"), false);
  assert.equal(bench.open(), undefined);
  assert.equal(bench.tell(hit).length, 1, "it matched before");
  const tick = async (seconds: bigint) => {
    for (let i = 0n; i < seconds; i++) {
      bench.clock.nowNs += S;
      bench.policies.tick();
      await bench.quiet();
    }
  };
  bench.kernel.isCallUnderWay = true;
  await tick(20n);
  assert.deepEqual(bench.kernel.hooks, ["syscall openat"], "a call may still end");
  bench.kernel.isCallUnderWay = false;
  await tick(1n);
  assert.deepEqual(bench.kernel.hooks, []);
  assert.equal(bench.kernel.tables.rows.size, 0);
  assert.deepEqual(bench.tell(hit), []);
  assert.equal(bench.counters.total("shrike_policy_hits_gone_total"), 1);
});

Deno.test("AgentPolicies.tick() counts time while records are read only", async () => {
  const bench = new Bench();
  await bench.add(openat("p"));
  await bench.policies.remove("p");
  bench.clock.nowNs += 3_600n * S;
  bench.policies.tick();
  await bench.quiet();
  assert.deepEqual(bench.kernel.hooks, ["syscall openat"], "the agent stood still for an hour");
});

Deno.test("AgentPolicies.add() is all or nothing, and says what is wrong", async () => {
  const bench = new Bench();
  const broken = `${openat("a")}---\n${openat("b").replace("index: 1, type", "index: 1, tipe")}`;
  assert.match(await bench.refusal(broken), /^\d+: /);
  assert.deepEqual(bench.policies.list(), []);
  await bench.add(openat("a"));
  assert.match(await bench.refusal(openat("a")), /^1: the name a is taken by a policy/);
  const both = `${openat("b")}---\n${openat("a", { path: "/x" })}`;
  assert.ok((await bench.add(both, { replaces: true })).isDone);
  assert.deepEqual([bench.seen("/etc/shadow"), bench.seen("/x")], [["b"], ["a"]]);
  const override = openat("c") + "      matchActions: [{action: Override, argError: -1}]\n";
  assert.match(await bench.refusal(override), /Override is not possible on syscall openat/);
  assert.equal(bench.policies.show("c"), undefined);
});

Deno.test("AgentPolicies.add() undoes everything when a program cannot be loaded", async () => {
  const bench = new Bench();
  bench.kernel.failure = new LoadError("policies", "the verifier refuses it", {
    ...{ obstacle: "refused", hint: "report it" },
  });
  assert.match(await bench.refusal(openat("p", { spec: WEB_ONLY })), /the verifier refuses it/);
  assert.equal(bench.kernel.tables.masks.size, 0);
  assert.equal(bench.counters.total("shrike_policy_sets"), 1);
  assert.ok((await bench.add(openat("p"))).isDone);
  assert.deepEqual(bench.seen(), ["p"]);
});

Deno.test("AgentPolicies.add() and plan() let others run while they read", async () => {
  const bench = new Bench();
  const text = Array.from({ length: 150 }, (_, i) => openat(`p${i}`, { path: `/x${i}` }));
  const file = { file: "p.yaml", text: text.join("---\n") };
  for (const work of [() => bench.policies.plan(file), () => bench.add(file.text)]) {
    let turns = 0;
    const done = work();
    let isDone = false;
    done.finally(() => isDone = true);
    while (!isDone) await new Promise((resolve) => setImmediate(() => resolve(turns++)));
    assert.ok(!("complaints" in await done));
    assert.ok(turns >= 5, `${turns} turns`);
  }
});

Deno.test("AgentPolicies.add() takes a file as a whole", async () => {
  const bench = new Bench();
  const [a, b] = [openat("a"), openat("b")];
  await bench.add(`${a}---\n${b}`, { isWholeFile: true });
  bench.seen();
  const changed = `${a}---\n${openat("c")}`;
  const outcome = await bench.add(changed, { isWholeFile: true });
  assert.ok(outcome.isDone);
  assert.deepEqual(bench.policies.list().map(({ name }) => name).sort(), ["a", "c"]);
  assert.equal(bench.policies.show("a")!.status.hits.post, 1, "what has not changed stays");
  assert.match(
    await bench.refusal(openat("a"), { replaces: true }),
    /taken by a policy of p\.yaml/,
  );
  assert.ok((await bench.policies.removeFile("p.yaml")).isDone);
  assert.deepEqual(bench.policies.list(), []);
});

Deno.test("AgentPolicies.setEnabled() and setMode() change what a policy does at run time", async () => {
  const bench = new Bench();
  await bench.add(openat("p") + KILLS, { mode: "monitor" });
  const deed = () => bench.tell(bench.open()).map(({ policy }) => policy.isEnforced);
  assert.deepEqual(deed(), [false]);
  assert.ok((await bench.policies.setMode("p", "enforce")).isDone);
  assert.deepEqual(deed(), [true]);
  assert.ok((await bench.policies.setEnabled("p", false)).isDone);
  assert.equal(bench.policies.show("p")!.status.state, "disabled");
  assert.deepEqual(deed(), []);
  assert.ok((await bench.policies.setEnabled("p", true)).isDone);
  assert.deepEqual(deed(), [true], "its mode has stayed");
  assert.deepEqual(bench.policies.show("p")!.status.hits, {
    ...{ post: 3, signal: 2, override: 0, monitored: 1 },
  });
  const missing = await bench.policies.setMode("q", "enforce");
  assert.equal(missing.isDone, false);
  await bench.add(openat("watch"));
  const nothing = await bench.policies.setMode("watch", "enforce");
  assert.ok(!nothing.isDone);
  assert.match(nothing.complaints[0]!.text, /no action/);
});

Deno.test("AgentPolicies.add() may add a policy that is not enabled", async () => {
  const bench = new Bench();
  await bench.add(openat("p"), { isDisabled: true });
  assert.deepEqual(bench.seen(), []);
  await bench.policies.setEnabled("p", true);
  assert.deepEqual(bench.seen(), ["p"]);
});

Deno.test("AgentPolicies.plan() tells what would come of it and changes nothing", async () => {
  const bench = new Bench();
  bench.made(10n, "/web", { workload: WEB });
  await bench.add(openat("p"));
  const text = openat("web", { spec: WEB_ONLY }) + KILLS;
  const plan = await bench.policies.plan({ file: "p.yaml", text });
  assert.ok("policies" in plan);
  assert.deepEqual(plan.workloads, [{ policy: "web", names: ["container web"] }]);
  assert.deepEqual(plan.hooks, [{ hook: "syscall openat", isNew: false }]);
  assert.deepEqual([plan.kernelSize, plan.conflicts], [224, []]);
  assert.deepEqual(plan.policies.map(({ guarantee, workloads }) => [guarantee, workloads]), [
    ["kill-after", 1],
  ]);
  const again = await bench.policies.plan({ file: "p.yaml", text: openat("p") });
  assert.ok("policies" in again, "a name that is taken does not hinder a plan");
  const kprobe = openat("k").replace(
    "call: openat\n    syscall: true",
    "call: tcp_connect\n    syscall: false",
  );
  const refused = await bench.policies.plan({ file: "p.yaml", text: kprobe });
  assert.ok("complaints" in refused);
  assert.match(refused.complaints[0]!.text, /no kprobes/);
  assert.deepEqual(bench.policies.list().map(({ name }) => name), ["p"]);
});

Deno.test("AgentPolicies does changes one after the other, and none when it has ended", async () => {
  const bench = new Bench();
  const names = Array.from({ length: 30 }, (_, i) => `p${i}`);
  await Promise.all([
    ...names.map((name) => bench.add(openat(name))),
    ...names.slice(0, 10).map((name) => bench.policies.remove(name)),
    bench.policies.setEnabled("p20", false),
  ]);
  assert.equal(bench.seen().length, 19);
  const last = bench.add(openat("last"));
  await bench.policies.end();
  assert.ok((await last).isDone, "what was under way was done first");
  assert.ok(bench.kernel.isDisposed);
  await assert.rejects(bench.add(openat("late")), /the agent ends/);
});

Deno.test("AgentPolicies keeps policies of namespaces apart", async () => {
  const bench = new Bench();
  const inNamespace = (namespace: string) =>
    openat("p", { kind: "TracingPolicyNamespaced" }).replace(
      "{name: p}",
      `{name: p, namespace: ${namespace}}`,
    );
  await bench.add(inNamespace("a"));
  await bench.add(inNamespace("b"));
  assert.deepEqual(bench.policies.list().map(({ name, namespace }) => `${namespace}/${name}`), [
    ...["a/p", "b/p"],
  ]);
  assert.equal(bench.policies.show("p"), undefined, "there are two");
  assert.equal(bench.policies.show("a/p")!.status.namespace, "a");
  assert.equal(await bench.policies.remove("a/p"), true);
  assert.equal(bench.policies.show("p")!.status.namespace, "b");
});
