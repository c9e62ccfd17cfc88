import { deepStrictEqual, equal } from "node:assert/strict";
import { settle } from "../../tests/support/fake_timers.ts";
import { A, B, named, ResolverBench, state } from "../../tests/support/resolver_bench.ts";

Deno.test("announced containers that no cgroup uses are forgotten", async () => {
  const bench = new ResolverBench();
  bench.answers.set(A, named(A, "a"));
  bench.answers.set(B, named(B, "b"));
  bench.events.report({ type: "container", id: A }, "docker");
  bench.events.report({ type: "container", id: B }, "docker");
  await settle();
  equal(bench.counters.total("shrike_workloads_subjects"), 2);
  bench.events.report({ type: "removed", id: B }, "docker");
  equal(bench.counters.total("shrike_workloads_subjects"), 1);
  await bench.timers.pass(70_000);
  equal(bench.counters.total("shrike_workloads_subjects"), 0);
});

Deno.test("removed() keeps a workload for the delay, then forgets all of it", async () => {
  const bench = new ResolverBench({ removalDelayMs: 10_000 });
  bench.answers.set(A, named(A, "web-1"));
  bench.resolve(`/docker/${A}`);
  await settle();
  bench.answers.set(A, "unknown");
  bench.resolver.removed(0, 1n, 1n);
  bench.events.report({ type: "connected" }, "docker");
  await bench.timers.pass(9000);
  equal(bench.resolve(undefined).name, "web-1", "also when the runtime has forgotten it");
  await bench.timers.pass(10_000);
  equal(bench.resolve(undefined).source, "none");
  equal(bench.counters.total("shrike_workloads_subjects"), 0);
  equal(bench.counters.total("shrike_workloads_cgroups"), 0);
});

Deno.test("the table of cgroups is bounded; removed ones go first", () => {
  const bench = new ResolverBench({ cgroupsMax: 3 });
  for (const id of [1n, 2n, 3n]) bench.resolve(`/s${id}.slice`, id);
  bench.resolver.removed(0, 2n, 1n);
  bench.resolve("/s4.slice", 4n);
  equal(bench.resolve(undefined, 2n).source, "none");
  equal(bench.resolve(undefined, 1n).name, "s1.slice");
  bench.resolve("/s5.slice", 5n);
  equal(bench.resolve(undefined, 1n).source, "none");
  equal(bench.counters.total("shrike_workloads_cgroups"), 3);
  equal(bench.counters.total("shrike_workloads_cgroups_evicted_total"), 2);
});

Deno.test("subjects are bounded; who found no room is asked about later", async () => {
  const bench = new ResolverBench({ subjectsMax: 1 });
  bench.answers.set(B, named(B, "b"));
  bench.resolve(`/docker/${A}`, 1n);
  deepStrictEqual(state(bench.resolve(`/docker/${B}`, 2n)).slice(1), [
    "kernel",
    "lookup_queue_full",
  ]);
  bench.resolver.removed(0, 1n, 1n);
  await bench.timers.pass(70_000);
  bench.resolve(`/docker/${B}`, 2n);
  await settle();
  equal(bench.resolve(`/docker/${B}`, 2n).name, "b");
});

Deno.test("few questions are under way at once, containers before units", async () => {
  const bench = new ResolverBench();
  const { promise, resolve: open } = Promise.withResolvers<void>();
  bench.gate = promise;
  for (let unit = 1; unit <= 6; unit++) bench.resolve(`/u${unit}.service`, BigInt(unit));
  await settle();
  equal(bench.asked.length, 4);
  bench.resolve(`/docker/${A}`, 7n);
  open();
  await settle();
  equal(bench.asked[4], A);
});

Deno.test("a description that cannot be had is given up", async () => {
  const bench = new ResolverBench();
  bench.resolve("/system.slice/ssh.service");
  await bench.timers.pass(1_000_000);
  equal(bench.asked.length, 6);
});

Deno.test("close() ends all timers and listens to no answer", async () => {
  const bench = new ResolverBench();
  const { promise, resolve: open } = Promise.withResolvers<void>();
  bench.gate = promise;
  bench.answers.set(A, named(A, "web-1"));
  bench.resolve(`/docker/${A}`);
  await settle();
  bench.resolver.close();
  open();
  await settle();
  deepStrictEqual([bench.timers.size, bench.learned.length], [0, 0]);
});

Deno.test("10,000 containers made and removed leave nothing behind", async () => {
  const bench = new ResolverBench({ removalDelayMs: 1000 });
  for (let round = 0; round < 100; round++) {
    for (let at = 0; at < 100; at++) {
      const id = (round * 100 + at).toString(16).padStart(64, "0");
      const cgroupId = BigInt(at + 1);
      const createdNs = BigInt(round + 1);
      if (at % 2 === 0) bench.answers.set(id, named(id, `job-${id}`));
      if (at % 3 === 0) bench.events.report({ type: "container", id }, "docker");
      bench.resolve(`/docker/${id}`, cgroupId, { createdNs });
      if (at % 5 !== 0) bench.resolver.removed(0, cgroupId, createdNs);
    }
    await settle();
    bench.answers.clear();
  }
  for (let at = 0; at < 100; at++) bench.resolver.removed(0, BigInt(at + 1), 100n);
  await bench.timers.pass(200_000);
  for (const what of ["cgroups", "subjects", "facts_length", "lookups_open"]) {
    equal(bench.counters.total(`shrike_workloads_${what}`), 0, what);
  }
  equal(bench.timers.size, 1, "only the sweep");
});
