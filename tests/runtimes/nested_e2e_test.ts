/** A runtime in a container that puts its own containers beside that, as Docker in a pod does. */
import { deepStrictEqual, equal } from "node:assert/strict";
import { CONTAINERD, CriRuntime, CTR } from "./cri_runtime.ts";
import { randomId, removeCgroups, stateFolder } from "./private_runtime.ts";
import { runtimeTest } from "./runtime_test_case.ts";
import { WatchedAgent } from "./watched_agent.ts";

const IMAGE = "test.local/app:1";

/**
 * What a runtime does, in short: a child makes the cgroup $1 where it can, goes there, and starts
 * the first process in namespaces of its own.
 */
const INNER_RUNTIME = `
(
  for h in /cgroups /cgroups/unified /cgroups/memory /cgroups/pids; do
    [ -f "$h/cgroup.procs" ] || continue
    busybox mkdir -p "$h$1" && echo 0 >"$h$1/cgroup.procs"
  done
  exec busybox unshare --pid --mount --fork sleep 1000000
) &
wait
`;

runtimeTest({
  name: "shrike run tells which container is around one that lies beside it",
  programs: [CONTAINERD, CTR, "/usr/sbin/runc"],
  async run() {
    const root = `/shrike-nested-${Deno.pid}`;
    const [outer, inner] = [randomId(), randomId()];
    await using folder = await stateFolder("nested");
    try {
      await using runtime = await CriRuntime.start(folder.path);
      await runtime.importImage("default", IMAGE);
      await using agent = await WatchedAgent.start(runtime.sockets);
      await using _dind = await runtime.startTask("default", IMAGE, outer, {
        flags: [
          "--cap-add=CAP_SYS_ADMIN",
          "--mount=type=bind,src=/sys/fs/cgroup,dst=/cgroups,options=rbind:rw",
        ],
        command: ["sh", "-c", INNER_RUNTIME, "sh", `${root}/docker/${inner}`],
      });
      equal((await agent.named(await agent.firstExec(outer))).workload.name, outer);
      const { workload, argv } = await agent.firstExec(inner);
      deepStrictEqual(argv?.slice(0, 1), ["sleep"], "what sets it up only visits");
      deepStrictEqual([workload.kind, workload.id], ["container", inner]);
      const around = { runtime: "containerd", id: outer };
      deepStrictEqual(workload.outer, around);
      agent.judge([outer, inner]);

      await using later = await WatchedAgent.start(runtime.sockets);
      const found = await later.firstExec(inner);
      equal(found.flags.includes("procFS"), true);
      deepStrictEqual(found.workload.outer, around, "also when the agent comes later");
    } finally {
      await removeCgroups(root);
      await removeCgroups("/default");
    }
  },
});
