/** What the executable says about containers and pods of podman. */
import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { CONMON, OCI_RUNTIMES, PODMAN, PodmanRuntime } from "./podman_runtime.ts";
import { stateFolder } from "./private_runtime.ts";
import { runtimeTest } from "./runtime_test_case.ts";
import { WatchedAgent } from "./watched_agent.ts";

const IMAGE = "test.local/app:1";
const COMMAND = ["sleep", "1000000"];

runtimeTest({
  name: "shrike run names containers and pods of podman, also after its service restarted",
  programs: [PODMAN, CONMON, OCI_RUNTIMES.runc],
  async run() {
    await using folder = await stateFolder("podman");
    await using podman = await PodmanRuntime.start(folder.path);
    await podman.loadImage({ name: IMAGE, command: COMMAND });
    await using agent = await WatchedAgent.start([{ api: "podman", path: podman.socketPath }]);
    await namesContainers(podman, agent);

    const podId = await podman.cli("pod", "create", "--name=shop", "--infra=false");
    const cart = await podman.cli("run", "-d", "--pod=shop", "--name=cart", IMAGE);
    const { workload, pod } = await agent.named(await agent.firstExec(cart));
    deepStrictEqual([workload.name, workload.id], ["shop/cart", cart]);
    deepStrictEqual([workload.pod?.["uid"], workload.pod?.["name"]], [podId, "shop"]);
    deepStrictEqual([pod?.uid, pod?.name, pod?.container?.id], [podId, "shop", `podman://${cart}`]);

    await podman.restart();
    const later = await podman.cli("run", "-d", "--name=web-2", IMAGE);
    equal((await agent.named(await agent.firstExec(later))).workload.name, "web-2");
    equal(agent.judge([cart, later]).first.size, 2);
  },
});

runtimeTest({
  name: "shrike run names containers of podman with crun",
  programs: [PODMAN, CONMON, OCI_RUNTIMES.crun],
  cannotRun: crunCannotRun,
  async run() {
    await using folder = await stateFolder("podman");
    await using podman = await PodmanRuntime.start(folder.path, "crun");
    await podman.loadImage({ name: IMAGE, command: COMMAND });
    await using agent = await WatchedAgent.start([{ api: "podman", path: podman.socketPath }]);
    await namesContainers(podman, agent);
  },
});

async function namesContainers(podman: PodmanRuntime, agent: WatchedAgent): Promise<void> {
  const id = await podman.cli("run", "-d", "--name=web-1", "--label=tier=front", IMAGE);
  const first = await agent.firstExec(id);
  deepStrictEqual(first.argv, COMMAND);
  deepStrictEqual([first.workload.kind, first.workload.id], ["container", id]);
  const { workload, docker } = await agent.named(first);
  deepStrictEqual([workload.name, docker], ["web-1", id.slice(0, 31)]);
  const { container } = workload;
  deepStrictEqual([container?.runtime, container?.image?.name], ["podman", IMAGE]);
  equal(container?.labels?.["tier"], "front");

  await podman.cli("exec", id, "true", "during");
  equal((await agent.execIn(id, "during")).workload.name, "web-1");
  const { own, visits } = agent.judge([id]);
  ok(own >= 2 && visits > 0, `${own} events of the container, ${visits} of visitors`);
}

/** crun takes all controllers in cgroup v1 or all in v2, and this host may have some in each. */
function crunCannotRun(): string | undefined {
  const v1 = mountsOf("cgroup").length > 0;
  const [v2] = mountsOf("cgroup2");
  if (!v1 || v2 === undefined) return undefined;
  const controllers = Deno.readTextFileSync(`${v2}/cgroup.controllers`).trim();
  return controllers === "" ? undefined : `crun refuses "${controllers}" in v2 beside v1`;
}

function mountsOf(type: string): string[] {
  return Deno.readTextFileSync("/proc/self/mounts").split("\n").map((line) => line.split(" "))
    .filter((fields) => fields[2] === type).map((fields) => fields[1] ?? "");
}
