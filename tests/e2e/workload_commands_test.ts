/** What shrike cgroups, workloads and doctor say of containers, on this machine. */
import assert from "node:assert/strict";
import {
  FakeUnixServer,
  hang,
  jsonAnswer,
  readRequest,
  send,
} from "../support/fake_unix_server.ts";
import {
  TestCgroup,
  type TestHierarchy,
  v1Hierarchy,
  v2Hierarchy,
} from "../support/test_cgroup.ts";
import { runShrike } from "./shrike_process.ts";

const ID = crypto.randomUUID().replaceAll("-", "").repeat(2);

interface CgroupRow {
  readonly id: string;
  readonly parent_id?: string;
  readonly hierarchy: number;
  readonly level: number;
  readonly path: string;
  readonly state: string;
  readonly processes: number;
  readonly tracking_id: string;
  readonly workload: WorkloadObject;
}

interface WorkloadObject {
  readonly kind: string;
  readonly name: string;
  readonly id: string;
  readonly source: string;
  readonly reason?: string;
  readonly container?: { readonly runtime: string; readonly image?: { readonly name: string } };
}

interface WorkloadRow {
  readonly workload: WorkloadObject;
  readonly processes: number;
  readonly cgroups: readonly string[];
}

async function rowsOf<Row>(args: readonly string[]): Promise<Row[]> {
  const { code, stdout, stderr } = await runShrike([...args, "-o", "json"]);
  assert.equal(code, 0, stderr);
  assert.equal(stderr, "");
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** The hierarchy that the executable says it follows. */
async function followedHierarchy(): Promise<TestHierarchy> {
  const [root] = await rowsOf<CgroupRow>(["cgroups", "--runtimes=false"]);
  const all = [v2Hierarchy, ...["memory", "pids"].map((name) => () => v1Hierarchy(name))];
  for (const find of all) {
    const hierarchy = find();
    if (hierarchy?.hierarchyId === root?.hierarchy) return hierarchy!;
  }
  throw new Error(`Cannot find hierarchy ${root?.hierarchy}`);
}

/** A container as Docker would make it, below a cgroup of the test, with a process in it. */
class TestContainer implements AsyncDisposable {
  readonly top: TestCgroup;
  readonly cgroup: TestCgroup;
  readonly inner: TestCgroup;
  readonly #child: Deno.ChildProcess;

  private constructor(hierarchy: TestHierarchy) {
    this.top = new TestCgroup(hierarchy);
    this.cgroup = this.top.make("docker").make(ID);
    this.inner = this.cgroup.make("init.scope");
    const script = 'echo $$ >"$0" && echo ready && read line';
    this.#child = new Deno.Command("/bin/sh", {
      args: ["-c", script, `${this.cgroup.directory}/cgroup.procs`],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
  }

  static async start(): Promise<TestContainer> {
    const container = new TestContainer(await followedHierarchy());
    const { value } = await container.#child.stdout.getReader().read();
    assert.equal(new TextDecoder().decode(value), "ready\n");
    return container;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.stdin.close().catch(() => {});
    await this.#child.status;
    this.top[Symbol.dispose]();
  }
}

/** Docker with that one container. */
function fakeDocker(): FakeUnixServer {
  return new FakeUnixServer(async (connection) => {
    const path = (await readRequest(connection)).split(" ")[1]!;
    const answers: Readonly<Record<string, unknown>> = {
      "/version": { Version: "20.10.24" },
      [`/containers/${ID}/json`]: {
        Id: ID,
        Name: "/web-1",
        Image: `sha256:${ID}`,
        State: {},
        Config: { Image: "nginx:1" },
      },
    };
    if (path.startsWith("/events")) {
      await send(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      return await hang(connection);
    }
    const answer = answers[path];
    await send(connection, answer === undefined ? jsonAnswer({}, 404) : jsonAnswer(answer));
  });
}

Deno.test("shrike cgroups shows a container with its name, processes and ids", async () => {
  await using container = await TestContainer.start();
  await using docker = fakeDocker();
  const socket = ["--runtime-socket", `docker:${docker.socketPath}`];
  const { top, cgroup, inner } = container;

  const rows = await rowsOf<CgroupRow>(["cgroups", ...socket]);
  const byPath = new Map(rows.map((row) => [row.path, row]));
  const row = byPath.get(cgroup.path)!;
  assert.deepEqual(
    [row.id, row.tracking_id, row.level, row.state, row.processes],
    [String(cgroup.id), String(cgroup.id), cgroup.level, "running", 1],
  );
  assert.equal(row.parent_id, byPath.get(`${top.path}/docker`)?.id);
  const { workload } = row;
  assert.deepEqual(
    [workload.kind, workload.name, workload.id, workload.source],
    ["container", "web-1", ID, "runtime"],
  );
  assert.equal(workload.container?.image?.name, "nginx:1");
  const below = byPath.get(inner.path)!;
  assert.deepEqual(
    [below.tracking_id, below.state, below.processes, below.workload.name],
    [String(cgroup.id), "empty", 0, "web-1"],
  );
  assert.equal(byPath.get("/")?.state, "running");

  const table = (await runShrike(["cgroups", "-o", "table", ...socket])).stdout.split("\n");
  const line = table.find((text) => text.endsWith(` ${cgroup.path}`)) ?? "";
  assert.match(line, new RegExp(`^ *${cgroup.id} +${cgroup.id} +1 running container web-1 `));
  assert(!table.some((text) => text.endsWith(inner.path)), "empty cgroups are left out");
  const wanted = ["--empty", "--container", "web-1"];
  const tree = (await runShrike(["cgroups", ...wanted, ...socket])).stdout;
  const branches = tree.split("\n").filter((text) => /docker|init\.scope|[0-9a-f]{64}/.test(text));
  assert.equal(branches.length, 3, tree);
  assert.match(branches[2]!, / 0 empty +container web-1 +[ │]*└─ init\.scope$/);
});

Deno.test("shrike workloads has a row for a container and for the host", async () => {
  await using _container = await TestContainer.start();
  await using docker = fakeDocker();
  const socket = ["--runtime-socket", `docker:${docker.socketPath}`];
  const rows = await rowsOf<WorkloadRow>(["workloads", ...socket]);
  const row = rows.find(({ workload }) => workload.id === ID)!;
  assert.deepEqual([row.processes, row.cgroups.length], [1, 2]);
  assert.equal(row.workload.name, "web-1");
  assert(rows.some(({ workload }) => workload.kind === "host"));

  const table = (await runShrike(["workloads", "--kind", "container", ...socket])).stdout;
  const lines = table.trimEnd().split("\n");
  const line = lines.find((text) => text.includes(ID.slice(0, 12))) ?? "";
  const found = line.split(/ +/).slice(0, 8);
  assert.deepEqual(found, [
    ...["container", "web-1", ID.slice(0, 12), "nginx:1", "-", "1", "2", "runtime"],
  ]);
  assert(lines.slice(1).every((text) => text.startsWith("container ")), table);

  const chosen = async (...args: string[]) =>
    (await rowsOf<WorkloadRow>(["workloads", ...socket, ...args])).map(({ workload }) =>
      workload.id
    );
  assert.deepEqual(await chosen("--workload", "container/web-*"), [ID]);
  assert.deepEqual(await chosen("--container", ID.slice(0, 8)), [ID]);
});

Deno.test("shrike workloads says why a name is missing and does not wait longer than told", async () => {
  await using _container = await TestContainer.start();
  const nameless = async (...args: string[]) => {
    const { code, stdout, stderr } = await runShrike(["workloads", "-o", "json", ...args]);
    assert.equal(code, 0, stderr);
    const rows: WorkloadRow[] = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    const { source, reason, name } = rows.find(({ workload }) => workload.id === ID)!.workload;
    assert.equal(name, ID.slice(0, 12));
    return { source, reason, stderr };
  };
  const alone = { source: "path", reason: "no_runtime", stderr: "" };
  assert.deepEqual(await nameless("--runtimes=false"), alone);
  await using silent = new FakeUnixServer(hang);
  const socket = ["--runtime-socket", `docker:${silent.socketPath}`];
  const { stderr, ...pending } = await nameless(...socket, "--timeout", "100ms");
  assert.deepEqual(pending, { source: "pending", reason: "lookup_running" });
  assert.match(stderr, /No answer from runtimes after 100ms to \d+ of all questions/);
  const failed = await nameless(...socket, "--runtime-timeout", "100ms");
  assert.deepEqual(failed, { source: "path", reason: "runtime_failed", stderr: "" });
});

Deno.test("shrike cgroups and workloads refuse what they do not know", async () => {
  for (const command of ["cgroups", "workloads"]) {
    const kind = await runShrike([command, "--kind", "pods"]);
    assert.deepEqual([kind.code, kind.stdout], [2, ""]);
    assert.match(kind.stderr, /"pods" is not known\nhint: did you mean pod\?/);
    const filter = await runShrike([command, "--workload", "contaner/x"]);
    assert.equal(filter.code, 2);
    assert.match(filter.stderr, /"--workload": .*unknown kind "contaner".*\nhint: .*container/);
    const api = await runShrike([command, "--runtime-socket", "dokcer:/run/docker.sock"]);
    assert.equal(api.code, 2);
    assert.match(api.stderr, /hint: did you mean docker\?/);
  }
});

Deno.test("shrike cgroups shows what a user without rights may see", async () => {
  await using container = await TestContainer.start();
  const wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const { code, stdout, stderr } = await runShrike(["cgroups", "-o", "json"], {
    wrapper,
    env: { HOME: "/tmp" },
  });
  assert.equal(code, 0, stderr);
  const rows: CgroupRow[] = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  const row = rows.find(({ path }) => path === container.cgroup.path);
  assert.deepEqual([row?.workload.id, row?.state], [ID, "running"]);
});

Deno.test("shrike cgroups says so where cgroups cannot be read", async () => {
  const script = 'umount -R /sys/fs/cgroup && exec "$@"';
  const wrapper = ["unshare", "--mount", "/bin/sh", "-c", script, "sh"];
  const { code, stdout, stderr } = await runShrike(["cgroups"], { wrapper });
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /^shrike: Cannot read cgroups of ".*": .*\nhint: \S.*\n$/);
});

Deno.test("shrike doctor tells which runtimes answer and which do not", async () => {
  interface Finding {
    readonly topic: string;
    readonly name: string;
    readonly status: string;
    readonly text: string;
    readonly hint?: string;
  }
  await using docker = fakeDocker();
  await using silent = new FakeUnixServer(hang);
  const { code, stdout } = await runShrike([
    ...["doctor", "-o", "json", "--runtime-timeout", "200ms"],
    ...["--runtime-socket", `docker:${docker.socketPath}`],
    ...["--runtime-socket", `podman:${silent.socketPath}`],
    ...["--runtime-socket", "cri:/nowhere/cri.sock"],
  ]);
  const report = JSON.parse(stdout);
  assert.equal(code, report.verdict === "problem" ? 2 : 1);
  const findings: Finding[] = report.findings;
  const found = new Map(
    findings.filter(({ topic }) => topic === "runtimes").map((each) => [each.name, each]),
  );
  assert.equal(found.get("docker")?.status, "ok");
  assert.match(found.get("docker")!.text, /^docker 20\.10\.24 at /);
  assert.equal(found.get("podman")?.status, "warning");
  assert.match(found.get("podman")!.text, /no answer within 200 ms/);
  assert.equal(found.get("cri")?.status, "warning");
  assert.match(found.get("cri")!.text, /"\/nowhere\/cri\.sock" is not there/);
  const endpoints: { api: string; version?: string }[] = report.runtimes.endpoints;
  assert.equal(endpoints.find(({ api }) => api === "docker")?.version, "docker 20.10.24");
});
