import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { writeImageArchive } from "./image_archive.ts";
import { cgroupPathOf, Daemon, removeCgroups, runTool, stateFolder } from "./private_runtime.ts";
import { runtimeTest } from "./runtime_test_case.ts";
import { WatchedWorkloads } from "./watched_workloads.ts";

const PODMAN = "/usr/bin/podman";
const IMAGE = "test.local/app:1";

runtimeTest({
  name: "openWorkloads() names containers and pods of podman, also after its service restarted",
  programs: [PODMAN, "/usr/sbin/runc", "/usr/bin/conmon"],
  async run() {
    await using folder = await stateFolder("podman");
    const environment = await writeConfig(folder.path);
    const globals = ["--root", join(folder.path, "root"), "--runroot", join(folder.path, "run")];
    const podman = (...args: string[]) => runTool(PODMAN, [...globals, ...args], environment);
    const socketPath = join(folder.path, "podman.sock");
    const service = new Daemon({
      program: PODMAN,
      args: [...globals, "system", "service", "-t", "0", `unix://${socketPath}`],
      socketPath,
      logPath: join(folder.path, "podman.log"),
      environment,
    });
    const pathOf = async (id: string) =>
      await cgroupPathOf(Number(await podman("inspect", "-f", "{{.State.Pid}}", id)), "memory");
    using workloads = new WatchedWorkloads([{ api: "podman", path: socketPath }]);
    try {
      await podman(
        "load",
        "-i",
        await writeImageArchive(folder.path, {
          name: IMAGE,
          command: ["sleep", "1000000"],
        }),
      );
      await service.start();
      const id = await podman("run", "-d", "--name=web-1", "--label=tier=front", IMAGE);
      const path = await pathOf(id);
      ok(path.includes(`libpod-${id}`), path);
      const workload = await workloads.resolveFully(path);
      deepStrictEqual([workload.kind, workload.name, workload.id], ["container", "web-1", id]);
      const { container } = workload;
      deepStrictEqual([container?.runtime, container?.image?.name], ["podman", IMAGE]);
      equal(container?.image?.id, await podman("image", "inspect", "-f", "{{.Id}}", IMAGE));
      equal(container?.labels?.["tier"], "front");
      equal(container?.pid, Number(await podman("inspect", "-f", "{{.State.Pid}}", id)));
      ok(container?.startTimeNs !== undefined);

      // Without infra container: its pause program is not among Debian's packages needed here.
      const podId = await podman("pod", "create", "--name=shop", "--infra=false");
      const member = await podman("run", "-d", "--pod=shop", "--name=cart", IMAGE);
      const inPod = await workloads.resolveFully(await pathOf(member));
      deepStrictEqual([inPod.name, inPod.pod?.uid, inPod.pod?.name], ["shop/cart", podId, "shop"]);

      await service.stop();
      await service.start();
      const later = await podman("run", "-d", "--name=web-2", IMAGE);
      equal((await workloads.resolveFully(await pathOf(later))).name, "web-2");
    } finally {
      await podman("pod", "rm", "-fa", "-t", "0");
      await podman("rm", "-fa", "-t", "0");
      await service.stop();
      await removeCgroups("/libpod_parent");
    }
  },
});

/** Settings with which podman starts containers where rlimits cannot be raised. */
async function writeConfig(folder: string): Promise<Record<string, string>> {
  const path = join(folder, "containers.conf");
  await Deno.writeTextFile(
    path,
    `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
`,
  );
  return { CONTAINERS_CONF: path };
}
