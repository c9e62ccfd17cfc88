/** What the executable shows of containers when it is asked for some of them by name. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { execWith } from "../e2e/event_json.ts";
import { RunningShrike } from "../e2e/shrike_process.ts";
import { DOCKER, DOCKERD, DockerRuntime } from "./docker_runtime.ts";
import { stateFolder } from "./private_runtime.ts";
import { runtimeTest } from "./runtime_test_case.ts";
import { amendOf, processOf } from "./workload_events.ts";

const IMAGE = "test.local/app:1";
/** Short ones, so that a name often comes when the container has ended. */
const ROUNDS = 8;

runtimeTest({
  name: "shrike run --container shows all of a new container from its first exec and no other",
  programs: [DOCKER, DOCKERD],
  async run() {
    await using folder = await stateFolder("docker-filter");
    await using docker = await DockerRuntime.start(folder.path);
    await docker.loadImage({ name: IMAGE, command: ["sleep", "1000000"] });
    const runShort = (name: string, argument = name) =>
      docker.cli("run", "--network=host", `--name=${name}`, IMAGE, "true", argument);
    const canary = (argument: string) => runShort(`web-${argument}`, argument);
    await using shrike = RunningShrike.spawn([
      ...["--runtime-socket", `docker:${docker.socketPath}`],
      ...["--container", "web-*", "--existing=false"],
    ]);
    await shrike.seeCanary(canary);
    const wanted: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const name = `web-${round}`;
      wanted.push(name);
      await Promise.all([runShort(name), runShort(`db-${round}`)]);
    }
    for (const name of wanted) await shrike.waitFor(execWith(name), `the exec of ${name}`);
    await shrike.seeCanary(canary);
    await shrike.end("SIGTERM");

    const names = new Set<string>();
    for (const event of shrike.events) {
      const shown = processOf(event) ?? amendOf(event);
      if (shown === undefined) continue;
      ok(shown.workload.name.startsWith("web-"), JSON.stringify(event));
      deepStrictEqual(shown.workload.source, "runtime", JSON.stringify(event));
      names.add(shown.workload.name);
    }
    for (const name of wanted) {
      ok(names.has(name), `nothing of ${name}`);
      const of = shrike.events.filter((event) => processOf(event)?.workload.name === name);
      const first = of.find(({ process_exec }) => process_exec !== undefined);
      ok(first !== undefined && execWith(name)(first), `the first exec of ${name} is its program`);
      ok(of.some(({ process_exit }) => process_exit !== undefined), `no exit of ${name}`);
    }
  },
});
