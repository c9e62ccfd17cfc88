import { deepStrictEqual, equal, ok, rejects } from "node:assert/strict";
import { FakeHost, INITIAL_NAMESPACES, mountLine } from "../tests/support/fake_host.ts";
import {
  FakeUnixServer,
  hang,
  jsonAnswer,
  readRequest,
  send,
} from "../tests/support/fake_unix_server.ts";
import { HostFiles } from "./cgroups/mod.ts";
import {
  CgroupsUnreadableError,
  type HostCgroups,
  lookAtCgroups,
  type LookOptions,
  workloadsOf,
} from "./host_workloads.ts";

const ID = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
const CONTAINER = `/docker/${ID}`;
const SERVICE = "/system.slice/ssh.service";

/** A process with its thread count and flags, as /proc/PID/stat has them. */
function stat(state = "S", { flags = 0, threads = 1 } = {}): string {
  const before = `${state} 1 1 1 0 -1 ${flags} ${"0 ".repeat(10)}`;
  return `1 (a) b) ${before}${threads} 0 100 0\n`;
}

const KERNEL_THREAD = 0x00200000;

/** Processes by pid: their path in the hierarchy. */
const PROCESSES: Readonly<Record<number, string>> = {
  1: "/",
  20: SERVICE,
  21: `${SERVICE}/sub`,
  30: CONTAINER,
  31: CONTAINER,
  32: `${CONTAINER}/init.scope`,
};

interface HostShape {
  readonly mount: string;
  readonly mounts: string;
  /** Line of /proc/PID/cgroup for a path. */
  readonly line: (path: string) => string;
}

const V2: HostShape = {
  mount: "/sys/fs/cgroup",
  mounts: mountLine("cgroup2", "/sys/fs/cgroup"),
  line: (path) => `0::${path}\n`,
};

const HYBRID: HostShape = {
  mount: "/sys/fs/cgroup/memory",
  mounts: mountLine("cgroup", "/sys/fs/cgroup/memory", { options: "rw,memory" }) +
    mountLine("cgroup2", "/sys/fs/cgroup/unified"),
  line: (path) => `4:memory:${path}\n0::/\n`,
};

const V1: HostShape = { ...HYBRID, mounts: HYBRID.mounts.split("\n")[0]! + "\n" };

const CGROUPS = ["/", "/system.slice", SERVICE, `${SERVICE}/sub`, "/system.slice/old.service"]
  .concat("/docker", CONTAINER, `${CONTAINER}/init.scope`, "/own", "/own/below");

function hostOf({ mount, mounts, line }: HostShape): FakeHost {
  const processes = Object.entries(PROCESSES).flatMap(([pid, path]) => [
    [`/proc/${pid}/stat`, stat()],
    [`/proc/${pid}/cgroup`, line(path)],
  ]);
  const pids = (path: string) =>
    Object.keys(PROCESSES).filter((pid) => PROCESSES[Number(pid)] === path);
  const directory = (path: string) => path === "/" ? mount : mount + path;
  const isPopulated = (path: string) =>
    Object.values(PROCESSES).some((place) => `${place}/`.startsWith(`${path}/`));
  const host = new FakeHost({
    files: {
      "/proc/4242/mountinfo": mounts,
      "/proc/4242/cgroup": line("/"),
      "/proc/cgroups": "memory\t4\t1\t1\n",
      "/sys/fs/cgroup/cgroup.controllers": "memory pids\n",
      ...Object.fromEntries(processes),
      // A kernel thread, a zombie, and one that ended while it was read.
      "/proc/2/stat": stat("S", { flags: KERNEL_THREAD }),
      "/proc/2/cgroup": line("/"),
      "/proc/50/stat": stat("Z"),
      "/proc/50/cgroup": line(CONTAINER),
      "/proc/51/stat": stat(),
    },
    links: INITIAL_NAMESPACES,
    cgroups: [...CGROUPS.map(directory), ...mount === V2.mount ? [] : ["/sys/fs/cgroup/unified"]],
  });
  for (const path of CGROUPS) {
    Deno.writeTextFileSync(`${host.root}${directory(path)}/cgroup.procs`, pids(path).join("\n"));
    if (path === "/") continue;
    const text = `populated ${isPopulated(path) ? 1 : 0}\n`;
    Deno.writeTextFileSync(`${host.root}${directory(path)}/cgroup.events`, text);
  }
  return host;
}

type Settings = Partial<LookOptions["config"]>;

const NOBODY = {
  askRuntimes: false,
  runtimeSockets: [],
  runtimeTimeoutMs: 500,
  lookTimeoutMs: 5000,
};

function look(host: FakeHost, settings: Settings = {}): Promise<HostCgroups> {
  return lookAtCgroups({
    config: { ...NOBODY, ...settings },
    files: new HostFiles(host.root),
  });
}

function dockerAt(socketPath: string, lookTimeoutMs = 5000): Settings {
  // The system's bus would tell of this machine's units.
  const nowhere = { api: "systemd", path: "/nowhere" } as const;
  const runtimeSockets = [{ api: "docker", path: socketPath }, nowhere] as const;
  return { askRuntimes: true, runtimeSockets, lookTimeoutMs };
}

for (
  const [name, shape, hierarchy] of [["v2", V2, 0], ["v1", V1, 4], ["hybrid", HYBRID, 4]] as const
) {
  Deno.test(`lookAtCgroups() finds cgroups, processes and workloads on ${name}`, async () => {
    using host = hostOf(shape);
    const found = await look(host);
    equal(found.hierarchy, hierarchy);
    equal(found.openQuestions, 0);
    const rows = new Map(found.cgroups.map((cgroup) => [cgroup.path, cgroup]));
    deepStrictEqual([...rows.keys()].sort(), CGROUPS.toSorted());
    const container = rows.get(CONTAINER)!;
    equal(container.id, BigInt(Deno.statSync(`${host.root}${shape.mount}${CONTAINER}`).ino!));
    deepStrictEqual(
      [container.processCount, container.isPopulated, container.level, container.trackingId],
      [2, true, 2, container.id],
    );
    equal(container.parentId, rows.get("/docker")!.id);
    equal(container.workload.kind, "container");
    equal(container.workload.reason, "no_runtime");
    equal(rows.get(`${CONTAINER}/init.scope`)!.trackingId, container.id);
    equal(rows.get(`${SERVICE}/sub`)!.trackingId, rows.get(SERVICE)!.id);
    equal(rows.get("/docker")!.trackingId, rows.get("/")!.id);
    equal(rows.get("/own/below")!.trackingId, rows.get("/own/below")!.id);
    equal(rows.get("/own/below")!.workload.reason, "unrecognised_path");
    equal(rows.get("/")!.processCount, 1, "neither kernel threads nor zombies");
    equal(rows.get("/system.slice/old.service")!.isPopulated, false);
  });
}

Deno.test("workloadsOf() adds up cgroups and processes of each workload, sorted", async () => {
  using host = hostOf(V2);
  const rows = workloadsOf((await look(host)).cgroups);
  deepStrictEqual(
    rows.map(({ workload, processCount, cgroupIds }) => [
      ...[workload.kind, workload.name],
      ...[processCount, cgroupIds.length],
    ]),
    [
      ["container", ID.slice(0, 12), 3, 2],
      ["host", "host", 1, 2],
      ["host", "host", 0, 2],
      ["service", "old.service", 0, 1],
      ["service", "ssh.service", 2, 2],
      ["slice", "system.slice", 0, 1],
    ],
  );
});

Deno.test("lookAtCgroups() gives the names that a runtime tells", async () => {
  await using docker = new FakeUnixServer(async (connection) => {
    const path = (await readRequest(connection)).split(" ")[1]!;
    const body = { Id: ID, Name: "/web", Config: { Image: "nginx:1" }, State: {} };
    const isAsked = path === `/containers/${ID}/json`;
    await send(connection, isAsked ? jsonAnswer(body) : jsonAnswer({}, 404));
  });
  using host = hostOf(V2);
  const { cgroups } = await look(host, dockerAt(docker.socketPath));
  for (const { path, workload } of cgroups.filter(({ path }) => path.startsWith(CONTAINER))) {
    deepStrictEqual([workload.name, workload.source], ["web", "runtime"], path);
    equal(workload.container?.image?.name, "nginx:1");
  }
  equal(workloadsOf(cgroups).filter(({ workload }) => workload.kind === "container").length, 1);
});

Deno.test("lookAtCgroups() waits for a runtime that hangs only as long as it is told", async () => {
  await using docker = new FakeUnixServer(hang);
  using host = hostOf(V2);
  const { cgroups, openQuestions } = await look(host, dockerAt(docker.socketPath, 50));
  equal(openQuestions, 1);
  const { workload } = cgroups.find(({ path }) => path === CONTAINER)!;
  deepStrictEqual([workload.source, workload.reason], ["pending", "lookup_running"]);
});

Deno.test("lookAtCgroups() says why a runtime has not told more", async () => {
  await using docker = new FakeUnixServer((connection) => send(connection, "rubbish\r\n\r\n"));
  using host = hostOf(V2);
  const { cgroups } = await look(host, dockerAt(docker.socketPath));
  const { workload } = cgroups.find(({ path }) => path === CONTAINER)!;
  deepStrictEqual([workload.source, workload.reason], ["path", "runtime_failed"]);
});

Deno.test("lookAtCgroups() shows whole paths where the mount begins below the root", async () => {
  using host = new FakeHost({
    files: {
      "/proc/4242/mountinfo": mountLine("cgroup", "/sys/fs/cgroup/memory", {
        root: CONTAINER,
        options: "rw,memory",
      }),
      "/proc/4242/cgroup": `4:memory:${CONTAINER}\n`,
      "/proc/1/stat": stat(),
      "/proc/1/cgroup": `4:memory:${CONTAINER}/init.scope\n`,
    },
    links: INITIAL_NAMESPACES,
    cgroups: ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/init.scope"],
  });
  const { cgroups } = await look(host);
  deepStrictEqual(
    cgroups.map(({ path, level, processCount, workload }) => [
      ...[path, level],
      ...[processCount, workload.id],
    ]),
    [[CONTAINER, 2, 0, ID], [`${CONTAINER}/init.scope`, 3, 1, ID]],
  );
});

Deno.test("lookAtCgroups() shows whole paths where the mount begins above a cgroup namespace", async () => {
  using host = new FakeHost({
    files: {
      "/proc/4242/mountinfo": mountLine("cgroup2", "/sys/fs/cgroup", { root: "/../.." }),
      "/proc/4242/cgroup": "0::/\n",
      "/proc/4242/stat": stat(),
      "/proc/1/stat": stat(),
      "/proc/1/cgroup": "0::/../../init.scope\n",
      [`/sys/fs/cgroup${CONTAINER}/cgroup.procs`]: "4242\n",
    },
    links: { ...INITIAL_NAMESPACES, "/proc/4242/ns/cgroup": "cgroup:[4026532555]" },
    cgroups: ["/sys/fs/cgroup", "/sys/fs/cgroup/init.scope"],
  });
  const { cgroups } = await look(host);
  const shown = cgroups.map(({ path, processCount }) => [path, processCount]);
  deepStrictEqual(shown.sort(), [["/", 0], ["/docker", 0], [CONTAINER, 1], ["/init.scope", 1]]);
});

Deno.test("lookAtCgroups() says what it cannot read", async () => {
  const refusal = async (files: Record<string, string>) => {
    using host = new FakeHost({ files, links: INITIAL_NAMESPACES });
    let caught: unknown;
    await rejects(look(host), (error) => {
      caught = error;
      return error instanceof CgroupsUnreadableError;
    });
    const { message, hint } = caught as CgroupsUnreadableError;
    ok(hint.length > 0);
    return message;
  };
  const none = await refusal({});
  ok(none.startsWith('Cannot read cgroups of "/sys/fs/cgroup": no cgroup hierarchy is mounted'));
  const hidden = await refusal({ "/proc/4242/cgroup": "0::/a\n" });
  ok(hidden.startsWith('Cannot read cgroups of "v2": '), hidden);
});
