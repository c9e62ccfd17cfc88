/** What the executable says about containers of Docker. */
import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import { DOCKER, DOCKERD, DockerRuntime } from "./docker_runtime.ts";
import { stateFolder } from "./private_runtime.ts";
import { runtimeTest } from "./runtime_test_case.ts";
import { WatchedAgent } from "./watched_agent.ts";

const IMAGE = "test.local/app:1";
const COMMAND = ["sh", "-c", "while sleep 0.2; do /bin/true tick; done"];
const PROGRAMS = [DOCKER, DOCKERD];

runtimeTest({
  name: "shrike run names containers of Docker from their first exec, also after it restarted",
  programs: PROGRAMS,
  async run() {
    await using folder = await stateFolder("docker");
    await using docker = await DockerRuntime.start(folder.path);
    await docker.loadImage({ name: IMAGE, command: COMMAND });
    await using agent = await WatchedAgent.start([{ api: "docker", path: docker.socketPath }]);

    const web = await docker.run("web-1", IMAGE, "--label=tier=front");
    const first = await agent.firstExec(web);
    deepStrictEqual(first.argv, COMMAND);
    deepStrictEqual([first.workload.kind, first.workload.id], ["container", web]);
    equal(first.docker, web.slice(0, 31));
    const { workload, docker: key, pod } = await agent.named(first);
    deepStrictEqual([workload.kind, workload.name, workload.id], ["container", "web-1", web]);
    deepStrictEqual([key, pod], [web.slice(0, 31), undefined]);
    deepStrictEqual(
      [workload.container?.runtime, workload.container?.id, workload.container?.name],
      ["docker", web, "web-1"],
    );
    equal(workload.container?.image?.name, IMAGE);
    match(workload.container?.image?.id ?? "", /^sha256:[0-9a-f]{64}$/);
    equal(workload.container?.labels?.["tier"], "front");

    // What is known is known at once; the set-up process of runc is not the container's.
    await docker.cli("exec", web, "true", "during");
    const during = await agent.execIn(web, "during");
    deepStrictEqual([during.workload.name, during.workload.source], ["web-1", "runtime"]);
    ok(agent.judge([web]).visits > 0, "runc's set-up was seen in the container's cgroup");

    await docker.daemon.stop();
    const tick = await agent.nextExecIn(web, "tick");
    deepStrictEqual([tick.workload.name, tick.workload.source], ["web-1", "runtime"]);
    await docker.daemon.start();
    const later = await docker.run("web-2", IMAGE);
    equal((await agent.named(await agent.firstExec(later))).workload.name, "web-2");
    await docker.cli("exec", web, "true", "afterwards");
    equal((await agent.execIn(web, "afterwards")).workload.name, "web-1");
    equal(agent.judge([web, later]).first.size, 2);
  },
});
