import assert from "node:assert/strict";
import { FakeHost, INITIAL_NAMESPACES, mountLine } from "../tests/support/fake_host.ts";
import { Errno, LibbpfError } from "../ffi/mod.ts";
import { cgroupFact, ownCgroupRow } from "../tests/support/sample_cgroups.ts";
import { AgentCgroups, trackingOf, UNTOLD_PLACE } from "./agent_cgroups.ts";
import { HostFiles } from "./cgroups/mod.ts";
import { loadConfig } from "./config/mod.ts";
import { Counters, type Log } from "./telemetry/mod.ts";
import { CgroupSource } from "./wire/mod.ts";
import { recognisePath, type RecognitionContext } from "./workloads/mod.ts";

const V2 = "/sys/fs/cgroup";
const CONTAINER_ID = "ab".repeat(32);

/** A host with v2 alone; the agent is in a service. */
function v2Host(): FakeHost {
  return new FakeHost({
    files: {
      "/proc/4242/mountinfo": mountLine("cgroup2", V2),
      "/proc/4242/cgroup": "0::/system.slice/shrike.service\n",
      "/proc/cgroups": "",
    },
    links: INITIAL_NAMESPACES,
    cgroups: [
      V2,
      `${V2}/system.slice`,
      `${V2}/system.slice/shrike.service`,
      `${V2}/system.slice/docker-${CONTAINER_ID}.scope/inner`,
    ],
  });
}

/** What a test chooses beside the host. */
interface Choices {
  readonly moveSelf?: (directory: string) => void;
  /** Row of the program that tells where the kernel sees this process; none without. */
  readonly kernel?: () => Uint8Array<ArrayBuffer>;
  /** What is known of the host beside a path. */
  readonly context?: () => RecognitionContext;
}

/** The agent's cgroups on a host; `said` is what was logged. */
function bench(host: FakeHost, { moveSelf = () => {}, kernel, context }: Choices = {}) {
  const said: string[] = [];
  const say = (level: string) => (_: string, properties?: Record<string, unknown>) =>
    void said.push(`${level} ${properties?.["text"] ?? properties?.["error"]}`);
  const log: Log = {
    ...{ error: say("error"), warn: say("warn"), info: say("info"), debug: say("debug") },
  };
  const readFile = () => {
    throw Object.assign(new Error("none"), { code: "ENOENT" });
  };
  const counters = new Counters();
  const nameToHandle = () => {
    throw new Error("not here");
  };
  const cgroups = new AgentCgroups({
    ...{ libc: { nameToHandle }, counters, log, moveSelf, files: new HostFiles(host.root) },
    config: loadConfig({ flags: new Map(), environment: {}, readFile }).config,
  });
  const homes: string[] = [];
  cgroups.trackBy({
    recognise: (path) => recognisePath(path, context?.()),
    setHome: (home) => void homes.push(home),
  });
  const table = cgroups.open({ sharedMap: () => undefined, runProgram: () => kernel?.() });
  return { cgroups, table, said, counters, homes };
}

function refuse(): never {
  throw new Error("read-only");
}

/** Read anew: the compiler believes what was asserted before. */
function proofOf(cgroups: AgentCgroups) {
  return cgroups.proof;
}

Deno.test("AgentCgroups enters what exists, each cgroup with its workload", () => {
  using host = v2Host();
  const { cgroups, table } = bench(host);
  assert.equal(cgroups.settings.all["cgroup_source"], CgroupSource.CGROUP_SOURCE_V2);
  for (const fact of cgroups.scan()) table?.applyFound(fact);
  const byPath = new Map(Array.from(table?.entries() ?? [], (entry) => [entry.path, entry]));
  const scope = `/system.slice/docker-${CONTAINER_ID}.scope`;
  assert.deepEqual([...byPath.keys()].sort(), [
    "/",
    "/system.slice",
    scope,
    `${scope}/inner`,
    "/system.slice/shrike.service",
  ]);
  assert.equal(byPath.get(`${scope}/inner`)?.trackingId, byPath.get(scope)?.id);
  assert.equal(byPath.get(`${scope}/inner`)?.isContainer, true);
  assert.equal(byPath.get("/system.slice")?.isLeaf, false);
  const place = cgroups.placeOf("1:name=x:/other\n0::/system.slice/shrike.service (deleted)\n");
  assert.equal(place, byPath.get("/system.slice/shrike.service")?.place);
  for (const text of ["", "0::/gone\n", "3:pids:/system.slice\n"]) {
    assert.equal(cgroups.placeOf(text), UNTOLD_PLACE, text);
  }
});

Deno.test("AgentCgroups compares its own id with what the kernel says of its move", () => {
  using host = v2Host();
  const moved: string[] = [];
  const own = "/system.slice/shrike.service";
  const ownId = BigInt(Deno.statSync(host.root + V2 + own).ino ?? 0);
  for (
    const [id, outcome, level] of [[ownId, "match", "info"], [7n, "mismatch", "warn"]] as const
  ) {
    const { cgroups, said } = bench(host, { moveSelf: (path) => void moved.push(path) });
    cgroups.scan();
    const fact = cgroupFact("cgroup_attached", { id, path: own }, 5n);
    cgroups.onAttached({ ...fact, namespaceTgid: Deno.pid + 1 });
    assert.ok(!cgroups.proof);
    cgroups.onAttached({ ...fact, namespaceTgid: Deno.pid });
    const proof = proofOf(cgroups);
    assert.deepEqual([proof?.outcome, proof?.kernelId, proof?.userId], [outcome, id, ownId]);
    assert.ok(said.at(-1)?.startsWith(`${level} own cgroup has id ${id}`), said.join());
    assert.ok(outcome === "match" || said.at(-1)?.includes(String(ownId)));
  }
  assert.deepEqual(moved, [V2 + own, V2 + own]);
});

Deno.test("AgentCgroups asks the kernel where it is, also where it may not move itself", () => {
  using host = v2Host();
  const own = "/system.slice/shrike.service";
  const ownId = BigInt(Deno.statSync(host.root + V2 + own).ino ?? 0);
  for (
    const [id, hierarchy, outcome, level] of [
      [ownId, 0, "match", "info"],
      [7n, 0, "mismatch", "warn"],
      [ownId, 4, "mismatch", "warn"],
      [0n, 0, "mismatch", "warn"],
    ] as const
  ) {
    const kernel = () => ownCgroupRow({ id, hierarchy, path: own });
    const { cgroups, said } = bench(host, { moveSelf: refuse, kernel });
    const proof = proofOf(cgroups);
    assert.deepEqual([proof?.outcome, proof?.kernelId, proof?.userId], [outcome, id, ownId]);
    assert.equal(said.length, 1);
    assert.ok(said[0]?.startsWith(level), said.join());
    assert.ok(id === 0n || said[0]?.includes(String(ownId)), said.join());
    for (let turn = 0; turn < 20; turn++) cgroups.tick();
    assert.equal(said.length, 1, "what is proved is not waited for");
  }
});

Deno.test("AgentCgroups compares what the hook tells with what the kernel has said before", () => {
  using host = v2Host();
  const own = "/system.slice/shrike.service";
  const id = BigInt(Deno.statSync(host.root + V2 + own).ino ?? 0);
  const kernel = () => ownCgroupRow({ id, path: own, tgid: 50, leaderStartNs: 5n });
  const { cgroups, said } = bench(host, { kernel });
  // A process of another pid namespace, with the number that we have in ours.
  const other = cgroupFact("cgroup_attached", { id: 7n, path: own }, 5n);
  cgroups.onAttached({ ...other, tgid: 51, namespaceTgid: Deno.pid });
  assert.equal(proofOf(cgroups)?.outcome, "match");
  cgroups.onAttached(cgroupFact("cgroup_attached", { id, path: own }, 5n));
  assert.equal(said.length, 1, "the same is told once");
  const { cgroups: differing, said: heard } = bench(host, { kernel });
  differing.onAttached(cgroupFact("cgroup_attached", { id: 7n, path: own }, 5n));
  assert.equal(proofOf(differing)?.outcome, "mismatch");
  assert.ok(heard[1]?.startsWith(`warn own cgroup has id 7 in the kernel, ${id} in`), heard.join());
});

Deno.test("AgentCgroups waits for its move where the kernel cannot be asked", () => {
  using host = v2Host();
  const kernel = () => {
    const attempt = { operation: "bpf_prog_test_run_opts", action: "run program", object: "p" };
    throw new LibbpfError(attempt, Errno.EINVAL);
  };
  const { cgroups, said } = bench(host, { kernel });
  assert.ok(!cgroups.proof);
  assert.equal(said.length, 1);
  assert.match(said[0]!, /^debug Cannot run program "p": EINVAL/);
});

/** A host on which a cgroup namespace shows two cgroups below its root. */
function namespacedHost(ownPath = "/agent"): FakeHost {
  return new FakeHost({
    files: {
      "/proc/4242/mountinfo": mountLine("cgroup2", V2),
      "/proc/4242/cgroup": `0::${ownPath}\n`,
      "/proc/cgroups": "",
    },
    links: { ...INITIAL_NAMESPACES, "/proc/4242/ns/cgroup": "cgroup:[4026532999]" },
    cgroups: [V2, `${V2}/agent`, `${V2}/other`],
  });
}

Deno.test("AgentCgroups learns from the kernel what a cgroup namespace hides", () => {
  using host = namespacedHost();
  const id = BigInt(Deno.statSync(`${host.root}${V2}/agent`).ino ?? 0);
  const path = `/docker/${CONTAINER_ID}/agent`;
  const expected = [
    [`/docker/${CONTAINER_ID}`, 2],
    [path, 3],
    [`/docker/${CONTAINER_ID}/other`, 3],
  ];
  for (const way of ["asked", "moved", "both"]) {
    const kernel = () => ownCgroupRow({ id, path });
    const { cgroups, table } = bench(host, way === "moved" ? {} : { kernel });
    for (const fact of cgroups.scan()) table?.applyFound(fact);
    const moved = cgroupFact("cgroup_attached", { id, path }, 5n);
    if (way !== "asked") cgroups.onAttached({ ...moved, namespaceTgid: Deno.pid });
    const found = Array.from(table?.entries() ?? [], (entry) => [entry.path, entry.level]);
    assert.deepEqual(found.sort(), expected, way);
  }
});

/** What an agent takes for its host that is at `ownPath` of a namespace that begins at `root`. */
function homeOf(ownPath: string, root: string): string[] {
  using host = namespacedHost(ownPath);
  const directory = `${V2}${ownPath === "/" ? "" : ownPath}`;
  const id = BigInt(Deno.statSync(host.root + directory).ino ?? 0);
  const path = root + (ownPath === "/" ? "" : ownPath);
  return bench(host, { kernel: () => ownCgroupRow({ id, path }) }).homes;
}

Deno.test("AgentCgroups takes the container around its whole world for the host", () => {
  const node = `/docker/${CONTAINER_ID}`;
  assert.deepEqual(homeOf("/agent", node), [node], "a service of a node of kind");
  assert.deepEqual(homeOf("/", node), [], "a plain container is not a host");
  assert.deepEqual(homeOf("/agent", "/user.slice"), [], "no container, no home");
  using host = v2Host();
  const own = "/system.slice/shrike.service";
  const id = BigInt(Deno.statSync(host.root + V2 + own).ino ?? 0);
  assert.deepEqual(bench(host, { kernel: () => ownCgroupRow({ id, path: own }) }).homes, []);
});

Deno.test("AgentCgroups.retrack() goes by what paths mean by now", () => {
  using host = v2Host();
  let context: RecognitionContext = {};
  const { cgroups, table } = bench(host, { context: () => context });
  for (const fact of cgroups.scan()) table?.applyFound(fact);
  table?.apply(cgroupFact("cgroup_created", { id: 9001n, path: "/ci" }, 5n));
  table?.apply(cgroupFact("cgroup_created", { id: 9002n, path: "/ci/job", parentId: 9001n }, 5n));
  const inner = { id: 9003n, path: "/ci/job/init", parentId: 9002n };
  table?.apply(cgroupFact("cgroup_created", inner, 5n));
  const tracking = (id: bigint) => [table?.find(id)?.trackingId, table?.find(id)?.isContainer];
  assert.deepEqual(tracking(9003n), [9003n, false]);
  context = { containerdNamespaces: new Set(["ci"]) };
  cgroups.retrack();
  assert.deepEqual(tracking(9002n), [9002n, true]);
  assert.deepEqual(tracking(9003n), [9002n, true]);
});

Deno.test("AgentCgroups goes on without a proof when it may not move itself", () => {
  using host = v2Host();
  const { cgroups, said } = bench(host, { moveSelf: refuse });
  assert.equal(cgroups.scan().length, 5);
  for (let turn = 0; turn < 9; turn++) cgroups.tick();
  assert.ok(!cgroups.proof);
  cgroups.tick();
  assert.equal(proofOf(cgroups)?.outcome, "unknown");
  assert.deepEqual(said, [
    "debug Error: read-only",
    "info no kernel hook has reported this process yet",
  ]);
});

Deno.test("AgentCgroups follows nothing on a host without cgroups, and says so once", () => {
  using host = new FakeHost({ links: INITIAL_NAMESPACES });
  const { cgroups, table, said } = bench(host);
  assert.equal(table, undefined);
  assert.deepEqual(cgroups.settings.all, { cgroup_source: CgroupSource.CGROUP_SOURCE_NONE });
  assert.deepEqual(cgroups.scan(), []);
  assert.equal(cgroups.placeOf("0::/\n").id, 0n);
  assert.deepEqual(Object.values(cgroups.mapEntries), [1]);
  cgroups.tick();
  assert.equal(said.length, 1);
  assert.match(said[0]!, /^warn no cgroup hierarchy is mounted/);
});

Deno.test("AgentCgroups says once what follows from pids of its own", () => {
  const own = { ...INITIAL_NAMESPACES, "/proc/4242/ns/pid": "pid:[4026532111]" };
  using host = new FakeHost({ links: own });
  const { said } = bench(host);
  assert.equal(said.length, 2);
  assert.match(said[0]!, /^warn this process is in a pid namespace of its own/);
});

Deno.test("AgentCgroups finds a removal that no record has told", () => {
  using host = v2Host();
  const { cgroups, table, counters } = bench(host);
  for (const fact of cgroups.scan()) table?.applyFound(fact);
  const scope = `/system.slice/docker-${CONTAINER_ID}.scope`;
  Deno.removeSync(`${host.root}${V2}${scope}`, { recursive: true });
  table?.sweep(1n);
  table?.sweep(2n);
  assert.equal(counters.total("shrike_cgroup_sweep_finds_total"), 2);
});

Deno.test("trackingOf() makes units and containers leaves, what holds them not", () => {
  const words = (path: string) => {
    const { level, isLeaf, isContainer } = trackingOf(path, recognisePath(path));
    return `${level}${isContainer ? " container" : isLeaf ? " leaf" : ""}`;
  };
  const pod = "/kubepods.slice/kubepods-pod0a1b2c3d_0000_4000_8000_000000000001.slice";
  assert.equal(words("/"), "0");
  assert.equal(words("/system.slice"), "1");
  assert.equal(words("/system.slice/web.service/worker"), "2 leaf");
  assert.equal(words("/user.slice/user-1000.slice/user@1000.service"), "3");
  assert.equal(words("/user.slice/user-1000.slice/session-2.scope"), "3 leaf");
  assert.equal(words(pod), "2");
  assert.equal(words("/blue/job-1"), "2", "whoever owns it, it is not the root's");
  assert.equal(words(`${pod}/cri-containerd-${CONTAINER_ID}.scope/x`), "3 container");
  assert.equal(
    words(`/docker/${CONTAINER_ID}/docker/${CONTAINER_ID.replace("a", "0")}`),
    "2 container",
  );
});
