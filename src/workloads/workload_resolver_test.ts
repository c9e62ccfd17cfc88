import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { FakeTimers, settle } from "../../tests/support/fake_timers.ts";
import type { Workload } from "../events/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import type { CgroupIdentity } from "./cgroup_workloads.ts";
import type { Answerer } from "./lookups.ts";
import { RuntimeError, type RuntimeFacts, type Subject } from "./runtime/runtime_client.ts";
import { type LinkEvents, type ResolverOptions, WorkloadResolver } from "./workload_resolver.ts";

const A = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
const B = A.replaceAll("a", "b");
const POD = "6f9619ff-8b86-d011-b42d-00cf4fc964ff";

type Answer = RuntimeFacts | "unknown" | "failed";

/** Resolver, time, and a runtime that answers what the test says. */
class Bench {
  readonly timers = new FakeTimers();
  readonly counters = new Counters();
  readonly learned: (readonly [bigint, Workload])[] = [];
  readonly asked: string[] = [];
  readonly answers = new Map<string, Answer>();
  hasRuntime = true;
  /** A better runtime, asked first, while set. */
  first: Answerer | undefined;
  /** While set, answers wait for it. */
  gate: Promise<void> | undefined;
  events!: LinkEvents;
  readonly resolver: WorkloadResolver;

  constructor(change: Partial<ResolverOptions> = {}) {
    const answerer: Answerer = { lookUp: (subject) => this.#answer(subject) };
    this.resolver = new WorkloadResolver({
      cgroupsMax: 100,
      subjectsMax: 50,
      removalDelayMs: 60_000,
      context: {},
      counters: this.counters,
      timers: this.timers,
      onLearned: ({ id }, workload) => this.learned.push([id, workload]),
      openLinks: (events) => {
        this.events = events;
        return { start() {}, linksFor: () => this.#links(answerer), close() {} };
      },
      ...change,
    });
    this.resolver.start();
  }

  resolve(path: string | undefined, id = 1n, change: Partial<CgroupIdentity> = {}): Workload {
    const cgroup = { hierarchy: 0, id, createdNs: 1n, path, pathSource: "kernel", ...change };
    return this.resolver.resolve(cgroup as CgroupIdentity);
  }

  #links(answerer: Answerer): Answerer[] {
    if (!this.hasRuntime) return [];
    return this.first === undefined ? [answerer] : [this.first, answerer];
  }

  async #answer({ id }: Subject): Promise<RuntimeFacts | undefined> {
    this.asked.push(id);
    await this.gate;
    const answer = this.answers.get(id) ?? "unknown";
    if (answer === "failed") throw new RuntimeError("docker", "timeout", "told so");
    return answer === "unknown" ? undefined : answer;
  }
}

function named(id: string, name: string): RuntimeFacts {
  return { container: { runtime: "docker", id, name } };
}

/** What tells how well a workload is known. */
function state({ name, source, reason }: Workload): (string | undefined)[] {
  return [name, source, reason];
}

Deno.test("resolve() gives a container by its path at once and its name when learned", async () => {
  const bench = new Bench();
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
  const bench = new Bench();
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
  const bench = new Bench();
  deepStrictEqual(state(bench.resolve("/docker", 0n)), ["unknown", "none", "zero_cgroup_id"]);
  deepStrictEqual(state(bench.resolve(undefined)), ["unknown", "none", "unknown_cgroup"]);
  deepStrictEqual(state(bench.resolve("/mine")), ["host", "kernel", "unrecognised_path"]);
  const build = bench.resolve("/buildkit/k3x0t9q2m8z7w6v5u4s3r2p1o", 2n, { pathSource: "path" });
  deepStrictEqual(state(build).slice(1), ["path", "no_runtime"]);
  equal(bench.counters.total("shrike_workloads_unrecognised_paths_total"), 1);
});

Deno.test("resolve() tells not known, failed and no runtime apart", async () => {
  const bench = new Bench();
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
  const bench = new Bench();
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
  const asked = bench.asked.length;
  await bench.timers.pass(600_000);
  equal(bench.asked.length, asked, "what is known is not asked again");
});

Deno.test("a runtime that is found later is asked about what nobody knew", async () => {
  const bench = new Bench();
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
  const bench = new Bench();
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
  const bench = new Bench();
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
  const bench = new Bench();
  bench.events.report({ type: "container", id: A, namespace: "moby" }, "containerd");
  await settle();
  equal(bench.asked.length, 0);
});

Deno.test("announced containers that no cgroup uses are forgotten", async () => {
  const bench = new Bench();
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
  const bench = new Bench({ removalDelayMs: 10_000 });
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

Deno.test("removed() of an older cgroup leaves a newer one of the same id alone", async () => {
  const bench = new Bench();
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
  const bench = new Bench();
  bench.resolve(`/docker/${A}`, 7n, { hierarchy: 3 });
  equal(bench.resolve(`/docker/${B}`, 7n, { hierarchy: 4 }).id, B);
  equal(bench.resolve(undefined, 7n, { hierarchy: 3 }).id, A);
});

Deno.test("resolve() notices another path behind an id", () => {
  const bench = new Bench();
  bench.resolve(`/docker/${A}`, 1n, { createdNs: 0n });
  equal(bench.resolve(`/docker/${B}`, 1n, { createdNs: 0n }).id, B);
});

Deno.test("the table of cgroups is bounded; removed ones go first", () => {
  const bench = new Bench({ cgroupsMax: 3 });
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
  const bench = new Bench({ subjectsMax: 1 });
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
  const bench = new Bench();
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

Deno.test("a unit is whole without its description, and gets it", async () => {
  const bench = new Bench();
  bench.answers.set("ssh.service", { description: "Secure Shell" });
  const path = "/system.slice/ssh.service";
  deepStrictEqual(state(bench.resolve(path)), ["ssh.service", "kernel", undefined]);
  bench.resolve("/system.slice/other.service", 2n);
  await settle();
  equal(bench.resolve(path).unit?.description, "Secure Shell");
  deepStrictEqual(bench.learned.map(([id]) => id), [1n], "no description is no news");
});

Deno.test("a description that cannot be had is given up", async () => {
  const bench = new Bench();
  bench.resolve("/system.slice/ssh.service");
  await bench.timers.pass(1_000_000);
  equal(bench.asked.length, 6);
});

Deno.test("a pod's container has the pod's name, its sandbox is the pod", async () => {
  const bench = new Bench();
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
  const bench = new Bench();
  bench.answers.set("job-1", named("job-1", "job-1"));
  equal(bench.resolve("/ci/job-1").kind, "host");
  bench.events.report({ type: "namespaces", names: ["ci"] }, "containerd");
  equal(bench.resolve("/ci/job-1").kind, "container");
  equal(bench.learned.at(-1)?.[1].kind, "container");
  await settle();
  equal(bench.resolve("/ci/job-1").source, "runtime");
});

Deno.test("close() ends all timers and listens to no answer", async () => {
  const bench = new Bench();
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
  const bench = new Bench({ removalDelayMs: 1000 });
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

Deno.test("what a lesser runtime tells is asked again of the one that failed", async () => {
  const bench = new Bench();
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
