import assert from "node:assert/strict";
import {
  FAKE_PID,
  FakeHost,
  type FakeHostParts,
  INITIAL_NAMESPACES,
  mountLine,
} from "../../tests/support/fake_host.ts";
import { HostFiles, verifyOwnCgroup } from "../cgroups/mod.ts";
import { type Examination, examineHost, type Finding, type HostSources } from "./mod.ts";

/** BPF, PERFMON, SYS_PTRACE, DAC_READ_SEARCH, SYS_RESOURCE. */
const AGENT_CAPABILITIES = "000000c001080004";
const NO_CAPABILITIES = "0000000000000000";

function status(capabilities: string, bounding = "000001ffffffffff"): string {
  const masks = `CapEff:\t${capabilities}\nCapBnd:\t${bounding}\n`;
  return `Name:\tshrike\nUid:\t0\t0\t0\t0\n${masks}Seccomp:\t0\n`;
}

const FILES = {
  "/proc/4242/mountinfo": mountLine("cgroup2", "/sys/fs/cgroup"),
  "/proc/4242/cgroup": "0::/system.slice/shrike.service\n",
  "/proc/4242/status": status(AGENT_CAPABILITIES),
  "/proc/cgroups": "memory\t0\t1\t1\npids\t0\t1\t0\n",
  "/proc/meminfo": "MemAvailable:    8000000 kB\n",
  "/proc/sys/kernel/perf_event_paranoid": "2\n",
  "/proc/sys/kernel/unprivileged_bpf_disabled": "2\n",
  "/proc/sys/net/core/bpf_jit_enable": "1\n",
  "/sys/devices/system/cpu/online": "0-1\n",
  "/sys/kernel/security/lockdown": "none [integrity] confidentiality\n",
  "/sys/kernel/security/lsm": "lockdown,capability,bpf\n",
  "/sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
  "/run/systemd/system/x": "",
} as const;

interface Change {
  readonly host?: FakeHostParts;
  readonly sources?: Partial<HostSources>;
  readonly problems?: readonly { text: string; hint: string }[];
}

function examine({ host = {}, sources = {}, problems = [] }: Change = {}): Examination {
  using fake = new FakeHost({
    files: { ...FILES, ...host.files },
    links: {
      ...INITIAL_NAMESPACES,
      "/proc/4242/ns/user": "user:[4026531837]",
      ...host.links,
    },
    cgroups: ["/sys/fs/cgroup/system.slice/shrike.service", "/sys/fs/cgroup"],
  });
  const inode = Deno.statSync(`${fake.root}/sys/fs/cgroup/system.slice/shrike.service`).ino!;
  const bytes = new Uint8Array(new BigUint64Array([BigInt(inode)]).buffer);
  return examineHost({
    files: new HostFiles(fake.root),
    environment: {},
    pid: FAKE_PID,
    nowMs: Date.UTC(2026, 10, 21),
    handles: { nameToHandle: () => ({ type: 0xfe, bytes }) },
    subsystems: new Map([["memory", 4]]),
    proof: undefined,
    runtimes: { isAsked: true, endpoints: [], unused: [] },
    release: "6.12.1-test",
    kernelVersion: [6, 12],
    architecture: "x86_64",
    features: [{ name: "btf", need: "a kernel with BTF", answer: true }],
    cpuCount: 2,
    lockedMemory: 8n * 1024n * 1024n,
    openFiles: 1024n,
    openFilesNeeded: 264,
    program: "shrike 0.1.0",
    trial: {
      sensors: [{ sensor: "process", loaded: true, programs: ["on_exec"], leftOut: [] }],
      mapMemorySize: 1024,
    },
    ...sources,
  }, { path: undefined, problems });
}

function find(change: Change, name: string): Finding {
  const { findings } = examine(change);
  const found = findings.find((finding) => finding.name === name);
  assert.ok(found !== undefined, `no finding "${name}"`);
  if (found.status !== "ok") assert.ok(found.follows !== undefined && found.hint !== undefined);
  return found;
}

Deno.test("examineHost() finds nothing wrong on a good host, with all topics told", () => {
  const { verdict, findings, deployment, mode } = examine();
  assert.deepEqual(findings.filter(({ status }) => status !== "ok"), []);
  assert.equal(verdict, "ok");
  assert.equal(mode.mode, "unified");
  assert.equal(deployment.kind, "systemd_service");
  const topics = [...new Set(findings.map(({ topic }) => topic))];
  assert.deepEqual(topics, [
    ...["program", "cgroups", "runtimes", "kernel", "rights", "limits", "host"],
  ]);
  const ownId = findings.find(({ name }) => name === "own id")!;
  assert.match(ownId.text, /user space says \d+; no kernel hook has reported/);
  assert.match(findings.find(({ name }) => name === "controllers")!.text, /disabled: pids/);
});

Deno.test("examineHost() says what an agent with pids of its own cannot tell", () => {
  const links = { ...INITIAL_NAMESPACES, "/proc/4242/ns/pid": "pid:[4026532111]" };
  const finding = find({ host: { links } }, "process ids");
  assert.equal(finding.status, "warning");
  assert.match(finding.follows ?? "", /older than the agent .* next exec/);
});

Deno.test("examineHost() knows a container with the host's pids by its whole path", () => {
  const own = `/docker/${"5417".repeat(16)}`;
  const { deployment } = examine({
    host: {
      files: {
        "/proc/4242/cgroup": "0::/\n",
        "/proc/1/mountinfo": mountLine("cgroup2", "/sys/fs/cgroup", { root: "/../.." }),
        "/proc/1/root/sys/fs/cgroup/cgroup.procs": "1\n",
        [`/proc/1/root/sys/fs/cgroup${own}/cgroup.procs`]: `${FAKE_PID}\n`,
      },
      links: { ...INITIAL_NAMESPACES, "/proc/4242/ns/cgroup": "cgroup:[4026532555]" },
    },
  });
  assert.equal(deployment.kind, "container");
  assert.ok(deployment.isInContainer);
  assert.deepEqual(deployment.evidence, [`own cgroup "${own}" is a container's`]);
});

Deno.test("examineHost() compares its id with the kernel's when a hook has run", () => {
  const kernel = { id: 1n << 60n, hierarchyId: 0, level: 2 };
  const prove = (id: bigint) => verifyOwnCgroup({ id, hierarchyId: 0 }, kernel);
  const matching = find({ sources: { proof: prove(kernel.id) } }, "own id");
  assert.equal(matching.status, "ok");
  assert.match(matching.text, /in the kernel and in user space/);
  const finding = find({ sources: { proof: prove(7n) } }, "own id");
  assert.equal(finding.status, "warning");
  assert.match(finding.text, /1152921504606846976 in the kernel/);
});

Deno.test("examineHost() calls a missing feature a problem, one it cannot ask for a doubt", () => {
  const feature = { name: "perf_event_array", need: "CONFIG_PERF_EVENTS" };
  const missing = { sources: { features: [{ ...feature, answer: false }] } };
  assert.equal(find(missing, "perf_event_array").status, "problem");
  assert.equal(examine(missing).verdict, "problem");
  const unknown = { sources: { features: [{ ...feature, answer: "EPERM" }] } };
  assert.equal(find(unknown, "perf_event_array").status, "warning");
});

Deno.test("examineHost() judges lockdown, perf_event_paranoid, JIT, clocks and version", () => {
  const files = (path: string, text: string): Change => ({ host: { files: { [path]: text } } });
  const lockdown = files("/sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
  assert.equal(find(lockdown, "lockdown").status, "problem");
  const paranoid = { "/proc/sys/kernel/perf_event_paranoid": "3\n" };
  assert.equal(find({ host: { files: paranoid } }, "perf_event_paranoid").status, "ok");
  const unprivileged = { ...paranoid, "/proc/4242/status": status(NO_CAPABILITIES) };
  const closed = find({ host: { files: unprivileged } }, "perf_event_paranoid");
  assert.equal(closed.status, "problem");
  const jit = files("/proc/sys/net/core/bpf_jit_enable", "0\n");
  assert.equal(find(jit, "bpf_jit_enable").status, "warning");
  const clock = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
  assert.equal(find(files(clock, "hpet\n"), "clock source").status, "warning");
  const old: Change = { sources: { kernelVersion: [5, 4], release: "5.4.0" } };
  assert.equal(find(old, "version").topic, "program");
  assert.ok(
    examine(old).findings.some(({ topic, name, status }) =>
      topic === "kernel" && name === "version" && status === "warning"
    ),
  );
  assert.equal(find({ sources: { nowMs: 0 } }, "clock").status, "warning");
});

Deno.test("examineHost() names missing capabilities and where to give them", () => {
  const none = { host: { files: { "/proc/4242/status": status(NO_CAPABILITIES) } } };
  assert.equal(find(none, "CAP_BPF").status, "problem");
  assert.equal(find(none, "CAP_PERFMON").status, "problem");
  assert.equal(find(none, "CAP_SYS_PTRACE").status, "warning");
  assert.match(find(none, "CAP_BPF").hint!, /run as root/);
  const bounded = { "/proc/4242/status": status(NO_CAPABILITIES, NO_CAPABILITIES) };
  assert.match(find({ host: { files: bounded } }, "CAP_BPF").hint!, /bounding set/);
  // CAP_SYS_ADMIN alone, as before 5.8.
  const admin = { "/proc/4242/status": status("0000000000200000") };
  const names = examine({ host: { files: admin } }).findings.map(({ name }) => name);
  assert.ok(!names.includes("CAP_BPF"));
  assert.ok(!names.includes("CAP_SYS_RESOURCE"));
  const older = { sources: { kernelVersion: [5, 10] as const }, host: { files: admin } };
  assert.equal(find(older, "CAP_SYS_RESOURCE").status, "warning");
});

Deno.test("examineHost() tells a user namespace, and hidepid without CAP_SYS_PTRACE", () => {
  const links = { "/proc/4242/ns/user": "user:[4026532000]" };
  assert.equal(find({ host: { links } }, "user namespace").status, "problem");
  const mountinfo = FILES["/proc/4242/mountinfo"] +
    "22 1 0:20 / /proc rw,relatime - proc proc rw,hidepid=invisible\n";
  const files = { "/proc/4242/mountinfo": mountinfo };
  assert.equal(find({ host: { files } }, "hidepid").status, "ok");
  const without = { ...files, "/proc/4242/status": status("000000c000000004") };
  assert.equal(find({ host: { files: without } }, "hidepid").status, "warning");
});

Deno.test("examineHost() takes the lowest memory limit up to the mount", () => {
  const limit = (path: string, size: string) => ({ [`/sys/fs/cgroup${path}/memory.max`]: size });
  const own = "/system.slice/shrike.service";
  const enough = { ...limit(own, "max\n"), ...limit("/system.slice", "900000000\n") };
  const found = find({ host: { files: enough } }, "memory limit");
  assert.equal(found.status, "ok");
  assert.match(found.text, /858\.3 MiB by "\/sys\/fs\/cgroup\/system.slice"/);
  const low = { ...enough, ...limit(own, "50000000\n") };
  assert.equal(find({ host: { files: low } }, "memory limit").status, "warning");
  assert.equal(find({}, "memory limit").status, "ok");
  const files = { "/proc/meminfo": "MemAvailable: 1000 kB\n" };
  assert.equal(find({ host: { files } }, "memory").status, "warning");
});

Deno.test("examineHost() judges locked memory by kernel version, open files by need", () => {
  const locked = { lockedMemory: 65536n };
  assert.equal(find({ sources: locked }, "locked memory").status, "ok");
  const older = { sources: { ...locked, kernelVersion: [5, 10] as const } };
  assert.equal(find(older, "locked memory").status, "warning");
  assert.equal(find({ sources: { openFilesNeeded: 1025 } }, "open files").status, "problem");
  assert.equal(find({ sources: { openFilesNeeded: 1024 } }, "open files").status, "ok");
});

Deno.test("examineHost() finds that sysfs is not mounted", () => {
  assert.equal(find({}, "sysfs").status, "ok");
  const bare = { host: { files: { "/sys/devices/system/cpu/online": "" } } };
  assert.equal(find(bare, "sysfs").status, "problem");
});

Deno.test("examineHost() tells sensors that were refused and mistakes in the settings", () => {
  const left = [{ program: "on_x", reason: "too new" }];
  const sensors = [
    { sensor: "process", loaded: true, programs: ["on_exec"], leftOut: left },
    {
      sensor: "cgroup",
      loaded: false,
      reason: "no hook",
      hint: "newer",
      programs: [],
      leftOut: [],
    },
  ];
  const change = { sources: { trial: { sensors, mapMemorySize: 0 } } };
  assert.deepEqual(
    [find(change, "sensor cgroup").text, find(change, "sensor cgroup").status],
    ["cannot be loaded: no hook", "warning"],
  );
  assert.equal(find(change, "program on_x").status, "warning");
  const error = { sources: { trial: { error: { message: "no BTF", hint: "another kernel" } } } };
  assert.equal(find(error, "load").status, "problem");
  const problems = [{ text: 'Cannot use "/x": bad', hint: "mend it" }];
  assert.equal(find({ problems }, "config").status, "problem");
});

Deno.test("examineHost() lists other users of BPF, the agent itself not", () => {
  const links = {
    "/proc/77/fd/3": "anon_inode:bpf-prog",
    "/proc/77/fd/4": "anon_inode:bpf-prog",
    "/proc/77/fd/5": "anon_inode:bpf_link",
    "/proc/77/fd/6": "/dev/null",
    "/proc/4242/fd/3": "anon_inode:bpf-prog",
  };
  const files = { "/proc/77/comm": "tetragon\n" };
  const { text } = find({ host: { links, files } }, "other BPF users");
  assert.equal(text, "tetragon (pid 77): 2 programs, 1 links");
  assert.match(find({}, "other BPF users").text, /none/);
});
