/** Many short containers in a row, each of which must have its workload from its first exec. */
import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { countGaps } from "../e2e/event_json.ts";
import { CONTAINERD, CriRuntime, CTR } from "./cri_runtime.ts";
import { DOCKER, DOCKERD, DockerRuntime } from "./docker_runtime.ts";
import { removeCgroups, stateFolder } from "./private_runtime.ts";
import { runtimeTest } from "./runtime_test_case.ts";
import { WatchedAgent } from "./watched_agent.ts";
import type { IdentityJson } from "./workload_events.ts";

const IMAGE = "test.local/app:1";
const UID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff";
/** Over CRI one takes some 60 ms. */
const CRI_CONTAINERS = 500;
/** With Docker's command line one takes some 400 ms. */
const DOCKER_CONTAINERS = 50;

runtimeTest({
  name: `shrike run knows each of ${CRI_CONTAINERS} short containers over CRI`,
  programs: [CONTAINERD, CTR, "/usr/sbin/runc"],
  async run() {
    const root = `/shrike-short-${Deno.pid}`;
    const names = new Map<string, string>();
    await using folder = await stateFolder("short");
    try {
      await using runtime = await CriRuntime.start(folder.path);
      await runtime.importImage("k8s.io", IMAGE);
      await using agent = await WatchedAgent.start(runtime.sockets);
      const pod = await runtime.runPod({
        namespace: "ci",
        name: "runner",
        uid: UID,
        cgroupParent: `${root}/kubepods/pod${UID}`,
      });
      const started = performance.now();
      for (let i = 0; i < CRI_CONTAINERS; i++) {
        const command = ["true", `job-${i}`];
        const id = await runtime.runContainer(pod, { name: `job-${i}`, image: IMAGE, command });
        await runtime.removeEnded(id);
        names.set(id, `ci/runner/job-${i}`);
      }
      await check(agent, names, performance.now() - started);
    } finally {
      await removeCgroups(root);
    }
  },
});

runtimeTest({
  name: `shrike run knows each of ${DOCKER_CONTAINERS} short containers of Docker`,
  programs: [DOCKER, DOCKERD],
  async run() {
    const names = new Map<string, string>();
    await using folder = await stateFolder("short");
    await using docker = await DockerRuntime.start(folder.path);
    await docker.loadImage({ name: IMAGE, command: ["true"] });
    await using agent = await WatchedAgent.start([{ api: "docker", path: docker.socketPath }]);
    const started = performance.now();
    for (let i = 0; i < DOCKER_CONTAINERS; i++) {
      const name = `job-${i}`;
      const file = `${folder.path}/${name}.id`;
      const flags = ["--rm", "--network=host", `--cidfile=${file}`, `--name=${name}`];
      await docker.cli("run", ...flags, IMAGE, "true", name);
      names.set(await Deno.readTextFile(file), name);
    }
    await check(agent, names, performance.now() - started);
  },
});

/** Every container has its first exec, under its id and, then or by an amendment, its name. */
async function check(
  agent: WatchedAgent,
  names: ReadonlyMap<string, string>,
  elapsedMs: number,
): Promise<void> {
  await agent.settle();
  const { first, own, visits } = agent.judge(names.keys());
  deepStrictEqual([...countGaps(agent.events)], []);
  equal(first.size, names.size, "containers of which the first exec was seen");
  equal(own, 2 * names.size, "an exec and an exit of each");
  const delaysMs: number[] = [];
  let atOnce = 0;
  for (const [id, name] of names) {
    const { event, process } = first.get(id)!;
    equal(process.argv?.[1], name.slice(name.lastIndexOf("/") + 1), "the first is the entry point");
    const isAtOnce = process.workload.source === "runtime";
    const told: IdentityJson = await agent.named(process);
    equal(told.workload.name, name);
    if (isAtOnce) atOnce += 1;
    else delaysMs.push(agent.amendedAtMs(process) - Date.parse(event.time));
  }
  ok(visits > 0, "set-up processes of runc were seen in the containers' cgroups");
  console.log(
    `${names.size} containers in ${(elapsedMs / 1000).toFixed(1)} s; ${own} events of theirs, ` +
      `${visits} of visitors; named at once ${atOnce}, amended ${delaysMs.length}${
        quantiles(delaysMs)
      }`,
  );
}

function quantiles(delaysMs: readonly number[]): string {
  if (delaysMs.length === 0) return "";
  const sorted = delaysMs.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.ceil(part * sorted.length) - 1];
  return ` (after exec p50 ${at(0.5)} ms, p99 ${at(0.99)} ms)`;
}
