import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { DOCKER, DOCKERD, DockerRuntime } from "./docker_runtime.ts";
import { cgroupPathOf, removeCgroups, stateFolder } from "./private_runtime.ts";
import { runtimeTest } from "./runtime_test_case.ts";
import { WatchedWorkloads } from "./watched_workloads.ts";

const IMAGE = "test.local/app:1";
const COMMAND = ["sleep", "1000000"];

runtimeTest({
  name: "openWorkloads() names containers of Docker, also after it restarted",
  programs: [DOCKER, DOCKERD],
  async run() {
    const parent = `/shrike-docker-${Deno.pid}`;
    await using folder = await stateFolder("docker");
    try {
      await using docker = await DockerRuntime.start(folder.path);
      await docker.loadImage({
        name: IMAGE,
        command: COMMAND,
        labels: { "org.example.team": "blue" },
      });
      using workloads = new WatchedWorkloads([{ api: "docker", path: docker.socketPath }]);
      const pathOf = async (id: string) => await cgroupPathOf(await docker.pidOf(id), "memory");

      const first = await docker.run("web-1", IMAGE, "--label=tier=front");
      const workload = await workloads.resolveFully(await pathOf(first));
      deepStrictEqual([workload.kind, workload.name, workload.id], ["container", "web-1", first]);
      const { container } = workload;
      equal(container?.image?.name, IMAGE);
      equal(container?.image?.id, await docker.cli("image", "inspect", "-f", "{{.Id}}", IMAGE));
      equal(container?.labels?.["tier"], "front");
      equal(container?.labels?.["org.example.team"], "blue");
      equal(container?.pid, await docker.pidOf(first));
      ok(container?.startTimeNs !== undefined);

      // A parent of its own: the path does not tell the runtime.
      const second = await docker.run("web-2", IMAGE, `--cgroup-parent=${parent}`);
      const other = await workloads.resolveFully(await pathOf(second));
      deepStrictEqual([other.name, other.container?.runtime], ["web-2", "docker"]);

      await docker.restart();
      const third = await docker.run("web-3", IMAGE);
      equal((await workloads.resolveFully(await pathOf(third))).name, "web-3");
    } finally {
      await removeCgroups(parent);
    }
  },
});

runtimeTest({
  name: "openWorkloads() knows a container of Docker before its first event",
  programs: [DOCKER, DOCKERD],
  async run() {
    await using folder = await stateFolder("docker");
    await using docker = await DockerRuntime.start(folder.path);
    await docker.loadImage({ name: IMAGE, command: COMMAND });
    using workloads = new WatchedWorkloads([{ api: "docker", path: docker.socketPath }]);
    await workloads.watching("docker");
    const id = await docker.cli("create", "--network=host", "--name=job-1", IMAGE);
    await workloads.announced(1);
    // Not started: there is no cgroup yet, only its path to be.
    const workload = workloads.resolve(`/docker/${id}`);
    deepStrictEqual([workload.source, workload.name], ["runtime", "job-1"]);
    equal(workload.container?.pid, undefined);
    equal(workloads.learned.length, 0);

    await docker.cli("rename", "job-1", "job-2");
    await workloads.amended("job-2");
  },
});
