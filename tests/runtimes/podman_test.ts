import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { CONMON, OCI_RUNTIMES, PODMAN, PodmanRuntime } from "./podman_runtime.ts";
import { cgroupPathOf, stateFolder } from "./private_runtime.ts";
import { runtimeTest } from "./runtime_test_case.ts";
import { WatchedWorkloads } from "./watched_workloads.ts";

const IMAGE = "test.local/app:1";

runtimeTest({
  name: "openWorkloads() names containers and pods of podman, also after its service restarted",
  programs: [PODMAN, OCI_RUNTIMES.runc, CONMON],
  async run() {
    await using folder = await stateFolder("podman");
    await using podman = await PodmanRuntime.start(folder.path);
    await podman.loadImage({ name: IMAGE, command: ["sleep", "1000000"] });
    using workloads = new WatchedWorkloads([{ api: "podman", path: podman.socketPath }]);
    const pathOf = async (id: string) => await cgroupPathOf(await podman.pidOf(id), "memory");

    const id = await podman.cli("run", "-d", "--name=web-1", "--label=tier=front", IMAGE);
    const path = await pathOf(id);
    ok(path.includes(`libpod-${id}`), path);
    const workload = await workloads.resolveFully(path);
    deepStrictEqual([workload.kind, workload.name, workload.id], ["container", "web-1", id]);
    const { container } = workload;
    deepStrictEqual([container?.runtime, container?.image?.name], ["podman", IMAGE]);
    equal(container?.image?.id, await podman.cli("image", "inspect", "-f", "{{.Id}}", IMAGE));
    equal(container?.labels?.["tier"], "front");
    equal(container?.pid, await podman.pidOf(id));
    ok(container?.startTimeNs !== undefined);

    // Without infra container: its pause program is not among Debian's packages needed here.
    const podId = await podman.cli("pod", "create", "--name=shop", "--infra=false");
    const member = await podman.cli("run", "-d", "--pod=shop", "--name=cart", IMAGE);
    const inPod = await workloads.resolveFully(await pathOf(member));
    deepStrictEqual([inPod.name, inPod.pod?.uid, inPod.pod?.name], ["shop/cart", podId, "shop"]);

    await podman.restart();
    const later = await podman.cli("run", "-d", "--name=web-2", IMAGE);
    equal((await workloads.resolveFully(await pathOf(later))).name, "web-2");
  },
});
