import assert from "node:assert/strict";
import { FakeHost, INITIAL_NAMESPACES, mountLine } from "../../tests/support/fake_host.ts";
import { type CgroupMode, detectCgroupMode, findNetworkConflict, HostFiles } from "./mod.ts";

const CONTAINER = "0123456789abcdef".repeat(4);
const OTHER_CONTAINER = "fedcba9876543210".repeat(4);

/** The lines of /proc/cgroups in the order of a Debian kernel; `hierarchies` are bound. */
function controllerLines(hierarchies: Record<string, number> = {}, leftOut: string[] = []): string {
  const names = "cpuset cpu cpuacct blkio memory devices freezer net_cls perf_event net_prio " +
    "hugetlb pids";
  const lines = names.split(" ").filter((name) => !leftOut.includes(name))
    .map((name) => `${name}\t${hierarchies[name] ?? 0}\t1\t1\n`);
  return `#subsys_name\thierarchy\tnum_cgroups\tenabled\n${lines.join("")}`;
}

interface Host {
  readonly mounts: string;
  readonly self: string;
  readonly controllers?: string;
  readonly cgroups: readonly string[];
  readonly systemd?: boolean;
  readonly links?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly subsystems?: ReadonlyMap<string, number>;
}

function detect(host: Host): CgroupMode {
  using fake = new FakeHost({
    files: {
      "/proc/4242/mountinfo": host.mounts,
      "/proc/4242/cgroup": host.self,
      "/proc/cgroups": host.controllers ?? controllerLines(),
      ...(host.systemd === true ? { "/run/systemd/system/x": "" } : {}),
      ...host.files,
    },
    links: { ...INITIAL_NAMESPACES, ...host.links },
    cgroups: host.cgroups,
  });
  const files = new HostFiles(fake.root);
  const { subsystems } = host;
  return detectCgroupMode({ files, ...(subsystems === undefined ? {} : { subsystems }) });
}

const UNIFIED: Host = {
  mounts: mountLine("cgroup2", "/sys/fs/cgroup"),
  self: "0::/system.slice/shrike.service\n",
  cgroups: ["/sys/fs/cgroup", "/sys/fs/cgroup/system.slice/shrike.service"],
  files: { "/sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n" },
  systemd: true,
};

/** systemd with unified_cgroup_hierarchy=0. */
const HYBRID: Host = {
  mounts: mountLine("tmpfs", "/sys/fs/cgroup") +
    mountLine("cgroup2", "/sys/fs/cgroup/unified") +
    mountLine("cgroup", "/sys/fs/cgroup/systemd", { options: "rw,xattr,name=systemd" }) +
    mountLine("cgroup", "/sys/fs/cgroup/cpu,cpuacct", { options: "rw,cpu,cpuacct" }) +
    mountLine("cgroup", "/sys/fs/cgroup/memory", { options: "rw,memory" }) +
    mountLine("cgroup", "/sys/fs/cgroup/pids", { options: "rw,pids" }),
  self: "4:pids:/user.slice\n3:memory:/user.slice\n2:cpu,cpuacct:/\n" +
    "1:name=systemd:/user.slice/session-1.scope\n0::/user.slice/session-1.scope\n",
  controllers: controllerLines({ cpu: 2, cpuacct: 2, memory: 3, pids: 4 }),
  cgroups: [
    "/sys/fs/cgroup/unified/user.slice/session-1.scope",
    "/sys/fs/cgroup/systemd/user.slice/session-1.scope",
    "/sys/fs/cgroup/memory/user.slice",
    "/sys/fs/cgroup/pids/user.slice",
    ..."unified systemd cpu,cpuacct memory pids".split(" ").map((name) => `/sys/fs/cgroup/${name}`),
  ],
  systemd: true,
};

function legacy(mounted: Readonly<Record<string, string>>, own = "/"): Host {
  const names = Object.keys(mounted);
  const ids = names.flatMap((names, i) => names.split(",").map((name) => [name, i + 1] as const));
  return {
    mounts: names.map((name) => mountLine("cgroup", mounted[name]!, { options: `rw,${name}` }))
      .join(""),
    self: names.map((name, i) => `${i + 1}:${name}:${own}\n`).join(""),
    controllers: controllerLines(Object.fromEntries(ids)),
    cgroups: Object.values(mounted).flatMap((path) => [path, `${path}${own}`]),
  };
}

function chosen({ tracked }: CgroupMode): unknown[] {
  const { hierarchy, subsystem } = tracked ?? {};
  return [hierarchy?.hierarchyId, subsystem?.name, subsystem?.index, hierarchy?.ownDirectory];
}

Deno.test("detectCgroupMode() takes v2 in unified mode", () => {
  const mode = detect(UNIFIED);
  assert.equal(mode.mode, "unified");
  assert.equal(mode.hasSystemd, true);
  assert.equal(mode.isNamespaced, false);
  assert.deepEqual(chosen(mode), [
    0,
    undefined,
    undefined,
    "/sys/fs/cgroup/system.slice/shrike.service",
  ]);
  assert.deepEqual(mode.hierarchies[0]!.controllers, ["cpu", "memory", "pids"]);
  assert.equal(mode.hierarchies[0]!.mountLevel, 0);
  assert.deepEqual(mode.warnings, []);
});

Deno.test("detectCgroupMode() stays unified when somebody mounts net_cls beside it", () => {
  const mode = detect({
    ...UNIFIED,
    mounts: UNIFIED.mounts + mountLine("cgroup", "/run/vpn", { options: "rw,net_cls" }),
    self: `1:net_cls:/\n${UNIFIED.self}`,
    controllers: controllerLines({ net_cls: 1 }),
    cgroups: [...UNIFIED.cgroups, "/run/vpn"],
  });
  assert.equal(mode.mode, "unified");
  assert.equal(mode.tracked?.hierarchy.hierarchyId, 0);
  assert.match(findNetworkConflict(mode, [5, 10])!.text, /net_cls is in use on kernel 5\.10/);
  assert.equal(findNetworkConflict(mode, [5, 15]), null);
  assert.equal(findNetworkConflict(mode, [6, 1]), null);
  assert.equal(findNetworkConflict(detect(UNIFIED), [5, 10]), null);
});

Deno.test("detectCgroupMode() takes v2 in hybrid mode of systemd", () => {
  const mode = detect(HYBRID);
  assert.equal(mode.mode, "hybrid");
  assert.equal(mode.tracked?.hierarchy.hierarchyId, 0);
  assert.deepEqual(mode.warnings, []);
  const joined = mode.hierarchies.find(({ hierarchyId }) => hierarchyId === 2)!;
  assert.deepEqual(joined.controllers, ["cpu", "cpuacct"]);
  assert.equal(joined.mount?.path, "/sys/fs/cgroup/cpu,cpuacct");
  const named = mode.hierarchies.find(({ name }) => name === "systemd")!;
  assert.equal(named.ownDirectory, "/sys/fs/cgroup/systemd/user.slice/session-1.scope");
});

Deno.test("detectCgroupMode() takes v2 in hybrid mode when containers are in both", () => {
  const { tracked } = detect({
    ...HYBRID,
    cgroups: [
      ...HYBRID.cgroups,
      `/sys/fs/cgroup/unified/docker/${CONTAINER}`,
      `/sys/fs/cgroup/memory/docker/${CONTAINER}`,
      `/sys/fs/cgroup/pids/docker/${CONTAINER}`,
    ],
  });
  assert.equal(tracked?.hierarchy.hierarchyId, 0);
  assert.match(tracked!.reasons[0]!, /1 of the 1 containers/);
});

Deno.test("detectCgroupMode() takes memory in hybrid mode when containers are in v1 only", () => {
  const mode = detect({
    ...HYBRID,
    cgroups: [
      ...HYBRID.cgroups,
      `/sys/fs/cgroup/unified/system.slice/docker-${CONTAINER}.scope`,
      `/sys/fs/cgroup/memory/system.slice/docker-${CONTAINER}.scope`,
      `/sys/fs/cgroup/memory/docker/${OTHER_CONTAINER}`,
      `/sys/fs/cgroup/pids/docker/${OTHER_CONTAINER}`,
    ],
  });
  assert.deepEqual(chosen(mode).slice(0, 3), [3, "memory", 4]);
  assert.match(mode.tracked!.reasons.join("; "), /v2 has only 1 of them/);
});

Deno.test("detectCgroupMode() takes the v1 controller with its own cgroup, without systemd", () => {
  const mode = detect({
    ...HYBRID,
    self: "4:pids:/\n3:memory:/jobs/a\n2:cpu,cpuacct:/\n1:name=systemd:/\n0::/\n",
    cgroups: [
      "/sys/fs/cgroup/memory/jobs/a",
      ..."unified systemd cpu,cpuacct memory pids".split(" ")
        .map((name) => `/sys/fs/cgroup/${name}`),
    ],
    systemd: false,
  });
  assert.deepEqual(chosen(mode), [3, "memory", 4, "/sys/fs/cgroup/memory/jobs/a"]);
  assert.match(mode.tracked!.reasons.join("; "), /at the root of v2/);
});

Deno.test("detectCgroupMode() takes v1 where hybrid trees are empty, v2 with systemd", () => {
  const empty: Host = {
    ...HYBRID,
    self: "4:pids:/\n3:memory:/\n2:cpu,cpuacct:/\n1:name=systemd:/\n0::/\n",
    cgroups: "unified systemd cpu,cpuacct memory pids".split(" ")
      .map((name) => `/sys/fs/cgroup/${name}`),
  };
  assert.deepEqual(chosen(detect({ ...empty, systemd: false })).slice(0, 2), [3, "memory"]);
  assert.equal(detect(empty).tracked?.hierarchy.hierarchyId, 0);
});

Deno.test("detectCgroupMode() takes memory, then pids, then what is there in legacy mode", () => {
  const base = "/sys/fs/cgroup";
  const all = { cpuset: `${base}/cpuset`, pids: `${base}/pids`, memory: `${base}/memory` };
  assert.deepEqual(chosen(detect(legacy(all, "/a"))), [3, "memory", 4, `${base}/memory/a`]);
  const { memory: _, ...rest } = all;
  assert.deepEqual(chosen(detect(legacy(rest))).slice(0, 3), [2, "pids", 11]);
  const joined = detect(legacy({ "cpu,cpuacct": `${base}/cpu,cpuacct` }));
  assert.deepEqual(chosen(joined).slice(0, 3), [1, "cpu", 1]);
  assert.equal(joined.mode, "legacy");
  assert.deepEqual(joined.warnings, []);
});

Deno.test("detectCgroupMode() finds controllers mounted elsewhere, with blanks in the path", () => {
  const mode = detect({
    ...legacy({ memory: "/my groups/memory" }, "/a"),
    mounts: mountLine("cgroup", "/my\\040groups/memory", { options: "rw,memory" }),
  });
  assert.deepEqual(chosen(mode), [1, "memory", 4, "/my groups/memory/a"]);
});

Deno.test("detectCgroupMode() uses the mount that shows most, none that is covered", () => {
  const { hierarchies } = detect({
    ...UNIFIED,
    mounts: mountLine("cgroup2", "/a", { root: "/system.slice" }) + UNIFIED.mounts +
      mountLine("cgroup2", "/covered") + mountLine("tmpfs", "/covered"),
    cgroups: [...UNIFIED.cgroups, "/a", "/covered"],
  });
  assert.equal(hierarchies[0]!.mount?.path, "/sys/fs/cgroup");
});

Deno.test("detectCgroupMode() takes indexes from BTF over the gaps in /proc/cgroups", () => {
  const host: Host = {
    ...legacy({ pids: "/sys/fs/cgroup/pids" }, "/a"),
    controllers: controllerLines({ pids: 1 }, ["cpuset", "memory"]),
  };
  const guessed = detect(host);
  assert.equal(guessed.tracked?.subsystem?.index, 9);
  assert.match(guessed.warnings[0]!.text, /index 9 of v1 controller pids is a guess/);
  const known = detect({ ...host, subsystems: new Map([["memory", 4], ["pids", 11]]) });
  assert.equal(known.tracked?.subsystem?.index, 11);
  assert.deepEqual(known.warnings, []);
});

Deno.test("detectCgroupMode() says what a cgroup namespace hides", () => {
  const mode = detect({
    ...UNIFIED,
    self: "0::/\n",
    links: { "/proc/4242/ns/cgroup": "cgroup:[4026532555]" },
  });
  assert.equal(mode.isNamespaced, true);
  assert.deepEqual(chosen(mode), [0, undefined, undefined, "/sys/fs/cgroup"]);
  assert.equal(mode.tracked!.hierarchy.mountLevel, undefined);
  assert.match(mode.warnings[0]!.text, /cgroup namespace.*parents are hidden/);
  assert.match(mode.warnings[0]!.follows, /levels are taken from the kernel/);
});

Deno.test("detectCgroupMode() finds itself by pid below a mount from outside its namespace", () => {
  const host: Host = {
    ...UNIFIED,
    mounts: mountLine("cgroup2", "/sys/fs/cgroup", { root: "/../.." }),
    self: "0::/sub\n",
    links: { "/proc/4242/ns/cgroup": "cgroup:[4026532555]" },
    cgroups: ["/sys/fs/cgroup", "/sys/fs/cgroup/a/b/sub", "/sys/fs/cgroup/a/c/sub"],
  };
  const files = { "/sys/fs/cgroup/a/c/sub/cgroup.procs": "1\n4242\n" };
  assert.equal(chosen(detect({ ...host, files }))[3], "/sys/fs/cgroup/a/c/sub");
  const lost = detect(host);
  assert.equal(chosen(lost)[3], undefined);
  assert.match(lost.warnings[0]!.text, /own cgroup "\/sub" is not below the mount/);
});

/** A container that sees its own cgroups only, on a host that mounts all of them. */
const CONTAINED = {
  mounts: mountLine("cgroup2", "/sys/fs/cgroup"),
  self: "0::/\n",
  links: { "/proc/4242/ns/cgroup": "cgroup:[4026532555]" },
  cgroups: ["/sys/fs/cgroup", "/proc/1/root/sys/fs/cgroup", "/proc/1/root/sys/fs/cgroup/a/me"],
  files: {
    "/proc/1/mountinfo": mountLine("cgroup2", "/sys/fs/cgroup", { root: "/../.." }),
    "/proc/1/root/sys/fs/cgroup/a/me/cgroup.procs": "4242\n",
  },
} satisfies Host;

Deno.test("detectCgroupMode() sees through the host's first process what is hidden from it", () => {
  const own = "/proc/1/root/sys/fs/cgroup/a/me";
  const mode = detect(CONTAINED);
  assert.equal(mode.mode, "unified");
  assert.equal(chosen(mode)[3], own);
  assert.match(mode.warnings[0]!.text, /cgroup namespace.*parents have no names in it/);
  assert.equal(chosen(detect({ ...CONTAINED, mounts: "" }))[3], own);
  const inHost = detect({
    ...CONTAINED,
    mounts: mountLine("cgroup2", "/sys/fs/cgroup", { root: "/a/me" }),
    self: "0::/a/me\n",
    links: {},
    files: { "/proc/1/mountinfo": mountLine("cgroup2", "/sys/fs/cgroup") },
  });
  assert.equal(chosen(inHost)[3], own);
  assert.equal(inHost.tracked?.hierarchy.mountLevel, 0);
  assert.deepEqual(inHost.warnings, []);
});

Deno.test("detectCgroupMode() prefers its own mounts where they show as much", () => {
  const files = {
    ...UNIFIED.files,
    "/proc/1/mountinfo": mountLine("cgroup2", "/sys/fs/cgroup"),
    "/proc/1/root/sys/fs/cgroup/cgroup.procs": "",
  };
  const mode = detect({ ...UNIFIED, files });
  assert.equal(mode.tracked?.hierarchy.mount?.path, "/sys/fs/cgroup");
});

Deno.test("detectCgroupMode() leaves out what the first process has when it is closed or not the host's", () => {
  const links = { ...CONTAINED.links, "/proc/4242/ns/pid": "pid:[4026532777]" };
  const { "/proc/1/mountinfo": mounts } = CONTAINED.files;
  for (
    const host of [
      { ...CONTAINED, links },
      { ...CONTAINED, cgroups: ["/sys/fs/cgroup"], files: { "/proc/1/mountinfo": mounts } },
    ]
  ) {
    const mode = detect(host);
    assert.equal(mode.tracked?.hierarchy.mount?.path, "/sys/fs/cgroup");
    assert.match(mode.warnings[0]!.follows, /older than the agent .* unknown_cgroup/);
    assert.match(mode.warnings[0]!.hint, /CAP_SYS_PTRACE/);
  }
});

Deno.test("detectCgroupMode() resolves a mount of a part outside of namespaces", () => {
  const own = `/docker/${CONTAINER}`;
  const mode = detect({
    ...legacy({ memory: "/sys/fs/cgroup/memory" }),
    mounts: mountLine("cgroup", "/sys/fs/cgroup/memory", { root: own, options: "rw,memory" }),
    self: `1:memory:${own}/inner\n0::${own}\n`,
    cgroups: ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/inner"],
  });
  assert.equal(mode.mode, "legacy");
  assert.deepEqual(chosen(mode), [1, "memory", 4, "/sys/fs/cgroup/memory/inner"]);
  assert.equal(mode.tracked!.hierarchy.mountLevel, 2);
  const texts = mode.warnings.map(({ text }) => text).join("\n");
  assert.match(texts, /begins at "\/docker/);
  assert.match(texts, /v2 is in use on this host but not mounted here/);
});

Deno.test("detectCgroupMode() goes by /proc/self/cgroup where nothing is mounted", () => {
  const mode = detect({ mounts: "", self: "0::/pod/x\n", cgroups: [] });
  assert.equal(mode.mode, "unified");
  assert.equal(mode.tracked?.hierarchy.mount, undefined);
  assert.match(mode.warnings[0]!.text, /v2 is not mounted where this process can see it/);
});

Deno.test("detectCgroupMode() tracks nothing where there is nothing", () => {
  const bare = detect({ mounts: "", self: "", cgroups: [] });
  assert.deepEqual([bare.mode, bare.tracked], ["none", null]);
  assert.match(bare.warnings[0]!.follows, /not tracked/);
  const named = detect({
    mounts: mountLine("cgroup", "/sys/fs/cgroup/systemd", { options: "rw,name=systemd" }),
    self: "1:name=systemd:/a\n",
    cgroups: ["/sys/fs/cgroup/systemd/a", "/sys/fs/cgroup/systemd"],
  });
  assert.deepEqual([named.mode, named.tracked], ["legacy", null]);
  assert.match(named.warnings[0]!.text, /no hierarchy has a controller: v1 name=systemd/);
});

Deno.test("detectCgroupMode() survives missing files and lines it does not know", () => {
  using fake = new FakeHost({});
  assert.equal(detectCgroupMode({ files: new HostFiles(fake.root) }).mode, "none");
  const odd = detect({
    ...UNIFIED,
    mounts: `\nx y\n36\n${UNIFIED.mounts}`,
    self: `?\n${UNIFIED.self}`,
  });
  assert.equal(odd.mode, "unified");
});
