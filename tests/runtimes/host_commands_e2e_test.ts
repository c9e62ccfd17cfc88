/** What shrike workloads, cgroups and doctor say of real runtimes, without a running agent. */
import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import { runShrike } from "../e2e/shrike_process.ts";
import type { SocketPlace } from "../../src/workloads/mod.ts";
import { CONTAINERD, CriRuntime, CTR } from "./cri_runtime.ts";
import { DOCKER, DOCKERD, DockerRuntime } from "./docker_runtime.ts";
import { removeCgroups, stateFolder } from "./private_runtime.ts";
import { runtimeTest } from "./runtime_test_case.ts";

const IMAGE = "test.local/app:1";
const COMMAND = ["sleep", "1000000"];
const UID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff";

interface WorkloadRow {
  readonly workload: {
    readonly kind: string;
    readonly name: string;
    readonly id: string;
    readonly source: string;
    readonly container?: { readonly image?: { readonly name?: string } };
  };
  readonly processes: number;
  readonly cgroups: readonly string[];
}

async function lines<Row>(command: string, sockets: readonly SocketPlace[]): Promise<Row[]> {
  const flags = sockets.map(({ api, path }) => `--runtime-socket=${api}:${path}`);
  const { code, stdout, stderr } = await runShrike([command, "-o", "json", ...flags]);
  deepStrictEqual([code, stderr], [0, ""]);
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Findings of the doctor about runtimes: name, status, text. */
async function runtimeFindings(sockets: readonly SocketPlace[]): Promise<string[][]> {
  const flags = sockets.map(({ api, path }) => `--runtime-socket=${api}:${path}`);
  const { stdout } = await runShrike(["doctor", "-o", "json", ...flags]);
  const findings: { topic: string; name: string; status: string; text: string }[] =
    JSON.parse(stdout).findings;
  return findings.filter(({ topic, name }) => topic === "runtimes" && name !== "systemd")
    .map(({ name, status, text }) => [name, status, text]);
}

runtimeTest({
  name: "shrike workloads names pods over CRI and containers of a new namespace of containerd",
  programs: [CONTAINERD, CTR, "/usr/sbin/runc"],
  async run() {
    const root = `/shrike-pods-${Deno.pid}`;
    const namespace = `shrike-${Deno.pid}`;
    await using folder = await stateFolder("cri");
    try {
      await using runtime = await CriRuntime.start(folder.path);
      await runtime.importImage("k8s.io", IMAGE);
      await runtime.importImage(namespace, IMAGE);
      const pod = await runtime.runPod({
        ...{ namespace: "shop", name: "cart-0", uid: UID },
        cgroupParent: `${root}/kubepods/burstable/pod${UID}`,
      });
      const id = await runtime.runContainer(pod, { name: "api", image: IMAGE });
      await using job = await runtime.startTask(namespace, IMAGE, "job-1");

      const rows = await lines<WorkloadRow>("workloads", runtime.sockets);
      const row = (id: string) => {
        const found = rows.find(({ workload }) => workload.id === id);
        ok(found !== undefined, `no row of ${id} among ${JSON.stringify(rows)}`);
        return found;
      };
      const api = row(id);
      deepStrictEqual(
        [api.workload.kind, api.workload.name, api.workload.source, api.processes],
        ["container", "shop/cart-0/api", "runtime", 1],
      );
      equal(api.workload.container?.image?.name, IMAGE);
      const sandbox = row(pod.sandboxId);
      deepStrictEqual(
        [sandbox.workload.kind, sandbox.workload.name, sandbox.processes],
        ["pod", "shop/cart-0", 1],
      );
      const task = row(job.id);
      deepStrictEqual(
        [task.workload.kind, task.workload.name, task.workload.source],
        ["container", "job-1", "runtime"],
      );

      const findings = await runtimeFindings(runtime.sockets);
      deepStrictEqual(findings.map(([name, status]) => [name, status]), [
        ["cri", "ok"],
        ["containerd", "ok"],
      ]);
      for (const [, , text = ""] of findings) match(text, /^containerd \S*\d\.\d\S* at /);
    } finally {
      await removeCgroups(root);
      await removeCgroups(`/${namespace}`);
    }
  },
});

runtimeTest({
  name: "shrike workloads and cgroups name containers of Docker, doctor its version",
  programs: [DOCKER, DOCKERD],
  async run() {
    await using folder = await stateFolder("docker");
    await using docker = await DockerRuntime.start(folder.path);
    await docker.loadImage({ name: IMAGE, command: COMMAND });
    const sockets = [{ api: "docker", path: docker.socketPath }] as const;
    const id = await docker.run("web-1", IMAGE);
    const rows = await lines<WorkloadRow>("workloads", sockets);
    const row = rows.find(({ workload }) => workload.id === id);
    deepStrictEqual([row?.workload.name, row?.workload.source], ["web-1", "runtime"]);
    equal(row?.workload.container?.image?.name, IMAGE);

    const cgroups = await lines<{ path: string; workload: { name: string } }>("cgroups", sockets);
    equal(cgroups.find(({ path }) => path.endsWith(`/${id}`))?.workload.name, "web-1");

    const version = await docker.cli("version", "-f", "{{.Server.Version}}");
    const [[name, status, text = ""] = []] = await runtimeFindings(sockets);
    deepStrictEqual([name, status], ["docker", "ok"]);
    ok(text.startsWith(`docker ${version} at `), text);

    await docker.daemon.stop();
    const [stopped] = await runtimeFindings(sockets);
    deepStrictEqual(stopped?.slice(0, 2), ["docker", "warning"]);
  },
});
