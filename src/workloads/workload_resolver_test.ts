import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { settle } from "../../tests/support/fake_timers.ts";
import { A, B, named, ResolverBench, state } from "../../tests/support/resolver_bench.ts";
import type { CgroupIdentity } from "./cgroup_workloads.ts";
import { RuntimeError } from "./runtime/runtime_client.ts";

const POD = "6f9619ff-8b86-d011-b42d-00cf4fc964ff";

Deno.test("resolve() gives a container by its path at once and its name when learned", async () => {
  const bench = new ResolverBench();
  bench.answers.set(A, named(A, "web-1"));
  const first = bench.resolve(`/docker/${A}`);
  deepStrictEqual(state(first), [A.slice(0, 12), "pending", "lookup_running"]);
  deepStrictEqual(first.container, { runtime: "docker", id: A });
  equal(bench.asked.length, 0, "nothing happens on the read path");
  await settle();
  const later = bench.resolve(`/docker/${A}`);
  deepStrictEqual(state(later), ["web-1", "runtime", undefined]);
  deepStrictEqual(bench.learned, [[1n, later]]);
  ok(Object.isFrozen(later));
  equal(bench.resolve(`/docker/${A}/deeper`, 2n).name, "web-1", "a sub-group, not asked again");
  equal(bench.asked.length, 1);
});

Deno.test("resolve() asks nobody about the host, sessions, slices and machines", async () => {
  const bench = new ResolverBench();
  for (
    const [id, path] of ["/", "/user.slice/user-5.slice/session-1.scope", "/a.slice"].entries()
  ) {
    equal(bench.resolve(path, BigInt(id + 1)).source, "kernel", path);
  }
  deepStrictEqual(state(bench.resolve("/lxc.payload.web", 9n)), ["web", "kernel", undefined]);
  await settle();
  equal(bench.asked.length, 0);
});

Deno.test("resolve() names the reason whenever it cannot tell", () => {
  const bench = new ResolverBench();
  deepStrictEqual(state(bench.resolve("/docker", 0n)), ["unknown", "none", "zero_cgroup_id"]);
  deepStrictEqual(state(bench.resolve(undefined)), ["unknown", "none", "unknown_cgroup"]);
  deepStrictEqual(state(bench.resolve("/mine")), ["host", "kernel", "unrecognised_path"]);
  const build = bench.resolve("/buildkit/k3x0t9q2m8z7w6v5u4s3r2p1o", 2n, { pathSource: "path" });
  deepStrictEqual(state(build).slice(1), ["path", "no_runtime"]);
  equal(bench.counters.total("shrike_workloads_unrecognised_paths_total"), 1);
});

Deno.test("resolve() tells not known, failed and no runtime apart", async () => {
  const bench = new ResolverBench();
  bench.answers.set(B, "failed");
  bench.resolve(`/docker/${A}`, 1n);
  bench.resolve(`/docker/${B}`, 2n);
  await settle();
  deepStrictEqual(state(bench.resolve(`/docker/${A}`, 1n)).slice(1), [
    "kernel",
    "unknown_to_runtime",
  ]);
  deepStrictEqual(state(bench.resolve(`/docker/${B}`, 2n)).slice(1), ["kernel", "runtime_failed"]);
  equal(bench.learned.length, 2, "the end of the question is told");
  bench.hasRuntime = false;
  bench.resolve(`/k8s.io/${A.replaceAll("a", "c")}`, 3n);
  await settle();
  equal(bench.learned.at(-1)?.[1].reason, "no_runtime");
});

Deno.test("resolve() asks again, less and less often, until a runtime knows", async () => {
  const bench = new ResolverBench();
  bench.resolve(`/docker/${A}`);
  await bench.timers.pass(100);
  await bench.timers.pass(200);
  equal(bench.asked.length, 3);
  await bench.timers.pass(200);
  equal(bench.asked.length, 3);
  equal(bench.learned.length, 1, "each further failure is no news");
  bench.answers.set(A, named(A, "web-1"));
  await bench.timers.pass(10_000);
  equal(bench.resolve(`/docker/${A}`).name, "web-1");
  equal(bench.learned.length, 2);
  equal(bench.counters.total("shrike_workloads_named_total"), 1);
  const seconds = bench.counters.total("shrike_workloads_naming_seconds_total");
  ok(seconds > 0.5 && seconds <= 10.5, `${seconds} s of fake time`);
  const asked = bench.asked.length;
  await bench.timers.pass(600_000);
  equal(bench.asked.length, asked, "what is known is not asked again");
});

Deno.test("a runtime that is found later is asked about what nobody knew", async () => {
  const bench = new ResolverBench();
  bench.hasRuntime = false;
  bench.resolve(`/docker/${A}`);
  await settle();
  bench.answers.set(A, named(A, "web-1"));
  bench.hasRuntime = true;
  bench.events.found("podman");
  await settle();
  equal(bench.resolve(`/docker/${A}`).reason, "no_runtime", "podman does not know Docker's");
  bench.events.found("docker");
  await settle();
  equal(bench.resolve(`/docker/${A}`).name, "web-1");
});

Deno.test("a container that a runtime announces is known at its first event", async () => {
  const bench = new ResolverBench();
  bench.answers.set(A, named(A, "job-1"));
  bench.events.report({ type: "container", id: A }, "docker");
  await settle();
  deepStrictEqual(state(bench.resolve(`/docker/${A}`)), ["job-1", "runtime", undefined]);
  equal(bench.learned.length, 0, "nothing to amend");
  bench.answers.set(A, named(A, "job-2"));
  bench.events.report({ type: "container", id: A }, "docker");
  await settle();
  equal(bench.learned.at(-1)?.[1].name, "job-2");
  bench.events.report({ type: "container", id: A }, "docker");
  await settle();
  equal(bench.learned.length, 1, "the same answer is no news");
});

Deno.test("a change while the question is under way makes it be asked once more", async () => {
  const bench = new ResolverBench();
  const { promise, resolve: open } = Promise.withResolvers<void>();
  bench.gate = promise;
  bench.resolve(`/docker/${A}`);
  await settle();
  bench.events.report({ type: "container", id: A }, "docker");
  bench.answers.set(A, named(A, "web-1"));
  open();
  await settle();
  equal(bench.asked.length, 2);
});

Deno.test("Docker's containers are not taken from containerd's news", async () => {
  const bench = new ResolverBench();
  bench.events.report({ type: "container", id: A, namespace: "moby" }, "containerd");
  await settle();
  equal(bench.asked.length, 0);
});

Deno.test("removed() of an older cgroup leaves a newer one of the same id alone", async () => {
  const bench = new ResolverBench();
  bench.resolve(`/docker/${A}`, 1n, { createdNs: 1n });
  const newer = bench.resolve(`/docker/${B}`, 1n, { createdNs: 2n });
  equal(newer.id, B);
  equal(bench.counters.total("shrike_workloads_cgroup_ids_reused_total"), 1);
  bench.resolver.removed(0, 1n, 1n);
  await bench.timers.pass(120_000);
  equal(bench.resolve(undefined, 1n, { createdNs: 2n }).id, B);
  equal(bench.counters.total("shrike_workloads_subjects"), 1);
});

Deno.test("resolve() keeps ids of different hierarchies apart", () => {
  const bench = new ResolverBench();
  bench.resolve(`/docker/${A}`, 7n, { hierarchy: 3 });
  equal(bench.resolve(`/docker/${B}`, 7n, { hierarchy: 4 }).id, B);
  equal(bench.resolve(undefined, 7n, { hierarchy: 3 }).id, A);
});

Deno.test("resolve() notices another path behind an id", () => {
  const bench = new ResolverBench();
  bench.resolve(`/docker/${A}`, 1n, { createdNs: 0n });
  equal(bench.resolve(`/docker/${B}`, 1n, { createdNs: 0n }).id, B);
});

Deno.test("a unit is whole without its description, and gets it", async () => {
  const bench = new ResolverBench();
  bench.answers.set("ssh.service", { description: "Secure Shell" });
  const path = "/system.slice/ssh.service";
  deepStrictEqual(state(bench.resolve(path)), ["ssh.service", "kernel", undefined]);
  bench.resolve("/system.slice/other.service", 2n);
  await settle();
  equal(bench.resolve(path).unit?.description, "Secure Shell");
  deepStrictEqual(bench.learned.map(([id]) => id), [1n], "no description is no news");
});

Deno.test("a pod's container has the pod's name, its sandbox is the pod", async () => {
  const bench = new ResolverBench();
  const pod = { uid: POD, namespace: "shop", name: "cart-0" };
  bench.answers.set(A, {
    container: { runtime: "containerd", id: A, name: "api" },
    pod: { ...pod, containerName: "api" },
  });
  bench.answers.set(B, { container: { runtime: "containerd", id: B }, pod, isSandbox: true });
  bench.answers.set(POD, { pod });
  const parent = `/kubepods/burstable/pod${POD}`;
  const paths = [`${parent}/${A}`, `${parent}/${B}`, parent];
  const resolveAll = () => paths.map((path, at) => bench.resolve(path, BigInt(at + 1)));
  deepStrictEqual(resolveAll().map(({ kind }) => kind), ["container", "container", "pod"]);
  await settle();
  deepStrictEqual(resolveAll().map(({ kind, name }) => [kind, name]), [
    ["container", "shop/cart-0/api"],
    ["pod", "shop/cart-0"],
    ["pod", "shop/cart-0"],
  ]);
  equal(bench.resolve(paths[0], 1n).pod?.qosClass, "burstable");
});

Deno.test("paths are read again when containerd tells its namespaces", async () => {
  const bench = new ResolverBench();
  bench.answers.set("job-1", named("job-1", "job-1"));
  equal(bench.resolve("/ci/job-1").kind, "host");
  bench.events.report({ type: "namespaces", names: ["ci"] }, "containerd");
  equal(bench.resolve("/ci/job-1").kind, "container");
  equal(bench.learned.at(-1)?.[1].kind, "container");
  await settle();
  equal(bench.resolve("/ci/job-1").source, "runtime");
});

Deno.test("namespaces of several containerd add up, and are told on only when they are new", () => {
  let changes = 0;
  const bench = new ResolverBench({ onContext: () => changes += 1 });
  bench.events.report({ type: "namespaces", names: ["ci"] }, "containerd");
  bench.events.report({ type: "namespaces", names: ["k8s.io", "ci"] }, "containerd");
  bench.events.report({ type: "namespaces", names: ["ci"] }, "containerd");
  equal(changes, 2);
  equal(bench.resolver.recognise("/ci/job-1").kind, "container");
  equal(bench.resolver.recognise("/k8s.io/job-2").kind, "container");
  const many = Array.from({ length: 300 }, (_, at) => `ns-${at}`);
  bench.events.report({ type: "namespaces", names: many }, "containerd");
  equal(bench.resolver.recognise("/ns-299/job").kind, "container");
  equal(bench.resolver.recognise("/ci/job-1").kind, "host", "bounded: the latest count");
});

Deno.test("setHome() makes a container the host of what is below it, and tells what that changes", async () => {
  let changes = 0;
  const bench = new ResolverBench({ onContext: () => changes += 1 });
  const [node, job] = [`/docker/${A}`, `/docker/${A}/docker/${B}`];
  deepStrictEqual([node, job].map((path, at) => bench.resolve(path, BigInt(at + 1)).id), [A, A]);
  equal(bench.resolve("/a.slice", 3n).kind, "slice");
  await settle();
  bench.learned.length = 0;
  bench.resolver.setHome(node);
  equal(changes, 1);
  deepStrictEqual(bench.learned.map(([id, { kind, id: name, outer }]) => [id, kind, name, outer]), [
    [1n, "host", "host", { runtime: "docker", id: A }],
    [2n, "container", B, { runtime: "docker", id: A }],
  ]);
  equal(bench.resolve(job, 2n).id, B);
  equal(bench.resolver.recognise(job).level, 4);
});

Deno.test("renamed() reads a cgroup that was asked for by its new path, and no other", async () => {
  const bench = new ResolverBench();
  const cgroup = { hierarchy: 0, createdNs: 1n, pathSource: "kernel" } as const;
  equal(bench.resolve("/made", 1n).reason, "unrecognised_path");
  bench.resolver.renamed({ ...cgroup, id: 1n, path: "/made" });
  bench.resolver.renamed({ ...cgroup, id: 1n, path: undefined });
  bench.resolver.renamed({ ...cgroup, id: 2n, path: `/docker/${B}` });
  bench.resolver.renamed({ ...cgroup, id: 1n, path: `/docker/${B}`, createdNs: 7n });
  equal(bench.learned.length, 0);
  bench.answers.set(A, named(A, "web-1"));
  bench.resolver.renamed({ ...cgroup, id: 1n, path: `/docker/${A}` });
  deepStrictEqual(bench.learned.map(([id, { kind, source }]) => [id, kind, source]), [
    [1n, "container", "pending"],
  ]);
  await settle();
  equal(bench.learned.at(-1)?.[1].name, "web-1");
  equal(bench.resolve(`/docker/${A}`, 1n).name, "web-1");
  bench.resolver.removed(0, 1n, 1n);
  bench.resolver.renamed({ ...cgroup, id: 1n, path: "/late" });
  equal(bench.resolve(undefined, 1n).name, "web-1", "what is gone keeps its name");
});

Deno.test("what a lesser runtime tells is asked again of the one that failed", async () => {
  const bench = new ResolverBench();
  let isBroken = true;
  bench.first = {
    lookUp: () =>
      isBroken
        ? Promise.reject(new RuntimeError("cri", "timeout", "told so"))
        : Promise.resolve(named(A, "shop/api")),
  };
  bench.answers.set(A, named(A, A));
  bench.resolve(`/k8s.io/${A}`);
  await settle();
  equal(bench.resolve(`/k8s.io/${A}`).reason, "runtime_failed", "it may be back soon");
  await bench.timers.pass(700);
  equal(bench.resolve(`/k8s.io/${A}`).name, A);
  isBroken = false;
  await bench.timers.pass(800);
  equal(bench.resolve(`/k8s.io/${A}`).name, "shop/api");
  const { size } = bench.timers;
  equal(size, 1, "only the sweep");
});

Deno.test("resolve() follows a cgroup whose owner learns its path and time of making later", () => {
  const { resolver, counters } = new ResolverBench();
  const cgroup: { -readonly [Key in keyof CgroupIdentity]: CgroupIdentity[Key] } = {
    ...{ hierarchy: 0, id: 1n, createdNs: 0n, path: "/docker", pathSource: "path" },
  };
  equal(resolver.resolve(cgroup).kind, "host");
  cgroup.path = `/docker/${A}`;
  equal(resolver.resolve(cgroup).id, A);
  cgroup.createdNs = 5n;
  equal(resolver.resolve(cgroup).id, A);
  resolver.removed(0, 1n, 4n);
  equal(counters.total("shrike_workloads_cgroups"), 1);
  equal(resolver.resolve({ ...cgroup, createdNs: 6n, path: `/docker/${B}` }).id, B);
  equal(counters.total("shrike_workloads_cgroup_ids_reused_total"), 1);
});

Deno.test("entered() tells which container is around one that a process came out of", async () => {
  const bench = new ResolverBench();
  bench.answers.set(A, named(A, "dind"));
  bench.resolve(`/docker/${A}`, 1n);
  await settle();
  const outer = bench.resolve(`/docker/${A}`, 1n);
  bench.resolve(`/docker/${B}`, 2n);
  const inner = bench.entered(`/docker/${B}`, 2n, outer);
  deepStrictEqual([inner.id, inner.outer], [B, { runtime: "docker", id: A }]);
  ok(Object.isFrozen(inner));
  equal(bench.resolve(`/docker/${B}`, 2n), inner);
  await settle();
  const settled = bench.resolve(`/docker/${B}`, 2n);
  deepStrictEqual([settled.reason, settled.outer?.id], ["unknown_to_runtime", A]);
  equal(bench.counters.total("shrike_workloads_nested_total"), 1);
});

Deno.test("entered() believes the first process only, and no process of the same pod", () => {
  const bench = new ResolverBench();
  const outer = bench.resolve(`/docker/${A}`, 1n);
  bench.resolve(`/docker/${B}`, 2n);
  equal(bench.entered(`/docker/${B}`, 2n, bench.resolve("/", 9n)).outer, undefined);
  equal(bench.entered(`/docker/${B}`, 2n, outer).outer, undefined, "it was entered before");
  const pod = `/kubepods/burstable/pod${POD}`;
  const sibling = bench.resolve(`${pod}/${A}`, 3n);
  bench.resolve(`${pod}/${B}`, 4n);
  equal(bench.entered(`${pod}/${B}`, 4n, sibling).outer, undefined);
  equal(bench.entered(undefined, 5n, outer).reason, "unknown_cgroup");
  equal(bench.counters.total("shrike_workloads_nested_total"), 0);
});

Deno.test("a container of a namespace nobody told of is one as soon as containerd announces it", async () => {
  const bench = new ResolverBench();
  bench.answers.set("job-1", named("job-1", "job-1"));
  bench.events.report({ type: "namespaces", names: ["default"] }, "containerd");
  equal(bench.resolve("/ci/job-1").kind, "host");
  bench.events.report({ type: "container", id: "job-1", namespace: "ci" }, "containerd");
  await settle();
  deepStrictEqual(state(bench.resolve("/ci/job-1")), ["job-1", "runtime", undefined]);
  equal(bench.resolve("/default/job-2", 2n).kind, "container", "earlier ones stay known");
});

Deno.test("a preliminary answer waits for the better API, but not for long", async () => {
  const bench = new ResolverBench();
  let better: ReturnType<typeof named> | undefined;
  bench.first = { lookUp: () => Promise.resolve(better) };
  const lesser = { ...named(A, A), isPreliminary: true };
  bench.answers.set(A, lesser);
  bench.answers.set(B, { ...named(B, B), isPreliminary: true });
  bench.resolve(`/k8s.io/${A}`);
  await settle();
  deepStrictEqual(state(bench.resolve(`/k8s.io/${A}`)).slice(1), ["pending", "lookup_running"]);
  better = named(A, "shop/api");
  await bench.timers.pass(20);
  equal(bench.resolve(`/k8s.io/${A}`).name, "shop/api");
  deepStrictEqual(bench.learned.map(([, { name }]) => name), ["shop/api"], "told once");

  better = undefined;
  bench.resolve(`/k8s.io/${B}`, 2n);
  await bench.timers.pass(619);
  equal(bench.resolve(`/k8s.io/${B}`, 2n).source, "pending");
  equal(bench.resolver.openQuestions, 1);
  await bench.timers.pass(1);
  deepStrictEqual(state(bench.resolve(`/k8s.io/${B}`, 2n)), [B, "runtime", undefined]);
  equal(bench.resolver.openQuestions, 0);
});
