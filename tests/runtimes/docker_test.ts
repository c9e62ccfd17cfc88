import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { writeImageArchive } from "./image_archive.ts";
import { cgroupPathOf, Daemon, removeCgroups, runTool, stateFolder } from "./private_runtime.ts";
import { runtimeTest } from "./runtime_test_case.ts";
import { WatchedWorkloads } from "./watched_workloads.ts";

const DOCKER = "/usr/bin/docker";
const DOCKERD = "/usr/sbin/dockerd";
const IMAGE = "test.local/app:1";

runtimeTest({
  name: "openWorkloads() names containers of Docker, also after it restarted",
  programs: [DOCKER, DOCKERD],
  async run() {
    await using folder = await stateFolder("docker");
    const socketPath = join(folder.path, "docker.sock");
    const daemon = new Daemon({
      program: DOCKERD,
      args: ["--config-file", await writeConfig(folder.path, socketPath)],
      socketPath,
      logPath: join(folder.path, "dockerd.log"),
    });
    const parent = `/shrike-docker-${Deno.pid}`;
    const docker = (...args: string[]) => runTool(DOCKER, ["-H", `unix://${socketPath}`, ...args]);
    const run = (name: string, ...args: string[]) =>
      docker("run", "-d", "--network=host", `--name=${name}`, ...args, IMAGE);
    using workloads = new WatchedWorkloads([{ api: "docker", path: socketPath }]);
    try {
      await daemon.start();
      const archive = await writeImageArchive(folder.path, {
        name: IMAGE,
        command: ["sleep", "1000000"],
        labels: { "org.example.team": "blue" },
      });
      await docker("load", "-i", archive);

      const first = await run("web-1", "--label=tier=front");
      const workload = await workloads.resolveFully(await pathOf(docker, first));
      deepStrictEqual([workload.kind, workload.name, workload.id], ["container", "web-1", first]);
      const { container } = workload;
      equal(container?.image?.name, IMAGE);
      equal(container?.image?.id, await docker("image", "inspect", "-f", "{{.Id}}", IMAGE));
      equal(container?.labels?.["tier"], "front");
      equal(container?.labels?.["org.example.team"], "blue");
      equal(container?.pid, await pidOf(docker, first));
      ok(container?.startTimeNs !== undefined);

      // A parent of its own: the path does not tell the runtime.
      const second = await run("web-2", `--cgroup-parent=${parent}`);
      const other = await workloads.resolveFully(await pathOf(docker, second));
      deepStrictEqual([other.name, other.container?.runtime], ["web-2", "docker"]);

      await daemon.stop();
      await daemon.start();
      const third = await run("web-3");
      equal((await workloads.resolveFully(await pathOf(docker, third))).name, "web-3");
    } finally {
      await daemon.start().catch(() => {});
      const all = await docker("ps", "-aq").catch(() => "");
      if (all !== "") await docker("rm", "-f", ...all.split("\n"));
      await daemon.stop();
      await removeCgroups("/docker");
      await removeCgroups(parent);
    }
  },
});

runtimeTest({
  name: "openWorkloads() knows a container of Docker before its first event",
  programs: [DOCKER, DOCKERD],
  async run() {
    await using folder = await stateFolder("docker");
    const socketPath = join(folder.path, "docker.sock");
    const daemon = new Daemon({
      program: DOCKERD,
      args: ["--config-file", await writeConfig(folder.path, socketPath)],
      socketPath,
      logPath: join(folder.path, "dockerd.log"),
    });
    const docker = (...args: string[]) => runTool(DOCKER, ["-H", `unix://${socketPath}`, ...args]);
    try {
      await daemon.start();
      await docker(
        "load",
        "-i",
        await writeImageArchive(folder.path, {
          name: IMAGE,
          command: ["sleep", "1000000"],
        }),
      );
      using workloads = new WatchedWorkloads([{ api: "docker", path: socketPath }]);
      await workloads.watching("docker");
      const id = await docker("create", "--network=host", "--name=job-1", IMAGE);
      await workloads.announced(1);
      // Not started: there is no cgroup yet, only its path to be.
      const workload = workloads.resolve(`/docker/${id}`);
      deepStrictEqual([workload.source, workload.name], ["runtime", "job-1"]);
      equal(workload.container?.pid, undefined);
      equal(workloads.learned.length, 0);

      await docker("rename", "job-1", "job-2");
      await workloads.amended("job-2");
      await docker("rm", id);
    } finally {
      await daemon.stop();
      await removeCgroups("/docker");
    }
  },
});

async function pathOf(
  docker: (...args: string[]) => Promise<string>,
  id: string,
): Promise<string> {
  return await cgroupPathOf(await pidOf(docker, id), "memory");
}

async function pidOf(docker: (...args: string[]) => Promise<string>, id: string): Promise<number> {
  return Number(await docker("inspect", "-f", "{{.State.Pid}}", id));
}

/** Settings with which dockerd runs beside everything else on a host and leaves nothing behind. */
async function writeConfig(folder: string, socketPath: string): Promise<string> {
  const path = join(folder, "daemon.json");
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      "bridge": "none",
      "data-root": join(folder, "data"),
      "exec-opts": ["native.cgroupdriver=cgroupfs"],
      "exec-root": join(folder, "exec"),
      "hosts": [`unix://${socketPath}`],
      "ip-forward": false,
      "ip-masq": false,
      "ip6tables": false,
      "iptables": false,
      "live-restore": true,
      "pidfile": join(folder, "dockerd.pid"),
      "storage-driver": "overlay2",
    }),
  );
  return path;
}
