/** Sockets of runtimes that do what they should not, and the executable beside them. */
import { deepStrictEqual, equal, ok } from "node:assert/strict";
import {
  type ConnectionScript,
  FakeUnixServer,
  hang,
  jsonAnswer,
  readRequest,
  send,
} from "../support/fake_unix_server.ts";
import { CONTAINERD, CriRuntime, CTR } from "./cri_runtime.ts";
import { randomId, removeCgroups, stateFolder } from "./private_runtime.ts";
import { runtimeTest } from "./runtime_test_case.ts";
import { WatchedAgent } from "./watched_agent.ts";
import type { PlacedProcessJson } from "./workload_events.ts";

const PROGRAMS = [CONTAINERD, CTR, "/usr/sbin/runc"];
const IMAGE = "test.local/app:1";
const APIS = ["docker", "podman", "cri", "containerd"] as const;
/** For one API; all four are asked one after the other. */
const TIMEOUT_MS = 1500;
/** For all four, on a machine that does other things too. */
const FAILURE_TIMEOUT_MS = 30_000;

runtimeTest({
  name: "shrike run tells events at once while every runtime hangs, and then why they lack names",
  programs: PROGRAMS,
  async run() {
    await using server = new FakeUnixServer(hang);
    await withContainer(server.socketPath, async (agent, id, execute) => {
      const first = await agent.firstExec(id);
      const { kind, id: told, source, reason } = first.workload;
      deepStrictEqual([kind, told, source, reason], ["container", id, "pending", "lookup_running"]);
      deepStrictEqual(first.workload.container, { runtime: "unknown", id });
      await agent.settle();
      const { workload } = await untilReason(agent, id, execute);
      deepStrictEqual([workload.source, workload.id], ["kernel", id]);
      equal(agent.isAmended(first), false, "nothing was learned but why there is no name");
      ok(server.connections > 0);
    });
  },
});

runtimeTest({
  name: "shrike run tells events at once while every runtime talks rubbish",
  programs: PROGRAMS,
  async run() {
    await using server = new FakeUnixServer(async (connection) => {
      for (;;) await send(connection, "\x00\xffrubbish ".repeat(1000));
    });
    await withContainer(server.socketPath, async (agent, id, execute) => {
      await agent.firstExec(id);
      await agent.settle();
      const { workload } = await untilReason(agent, id, execute);
      deepStrictEqual([workload.kind, workload.id], ["container", id]);
      ok(server.connections > 0);
    });
  },
});

runtimeTest({
  name: "shrike run tells events at once while a runtime is slow, and amends them",
  programs: PROGRAMS,
  async run() {
    const asked = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    await using server = new FakeUnixServer(answerLate(asked.resolve, release.promise));
    await withContainer(server.socketPath, async (agent, id) => {
      const first = await agent.firstExec(id);
      await asked.promise;
      equal(first.workload.reason, "lookup_running");
      await agent.settle();
      release.resolve();
      equal((await agent.named(first)).workload.name, "slow-1");
    }, ["--runtime-timeout=30s"]);
  },
});

/** Runs a program with that argument in the container. */
type Execute = (mark: string) => Promise<unknown>;

/** The first exec that says that the runtimes have failed. */
async function untilReason(
  agent: WatchedAgent,
  id: string,
  execute: Execute,
): Promise<PlacedProcessJson> {
  const endMs = performance.now() + FAILURE_TIMEOUT_MS;
  for (let count = 0; performance.now() < endMs; count++) {
    await execute(`asked-${count}`);
    const process = await agent.execIn(id, `asked-${count}`);
    if (process.workload.reason === "runtime_failed") return process;
    equal(process.workload.reason, "lookup_running");
  }
  throw new Error(`No runtime had failed for container ${id} after ${FAILURE_TIMEOUT_MS} ms`);
}

/** Runs a container whose path tells no runtime, beside an agent that has only that socket. */
async function withContainer(
  socketPath: string,
  check: (agent: WatchedAgent, id: string, execute: Execute) => Promise<void>,
  args: readonly string[] = [`--runtime-timeout=${TIMEOUT_MS}ms`],
): Promise<void> {
  const root = `/shrike-fault-${Deno.pid}`;
  const id = randomId();
  await using folder = await stateFolder("fault");
  try {
    await using runtime = await CriRuntime.start(folder.path);
    await runtime.importImage("default", IMAGE);
    const sockets = APIS.map((api) => ({ api, path: socketPath }));
    await using agent = await WatchedAgent.start(sockets, args);
    await using _task = await runtime.startTask("default", IMAGE, id, {
      flags: [`--cgroup=${root}/${id}`],
    });
    const execute: Execute = (mark) =>
      runtime.ctr("default", "tasks", "exec", `--exec-id=${mark}`, id, "true", mark);
    await check(agent, id, execute);
    await execute("afterwards");
    equal((await agent.execIn(id, "afterwards")).workload.id, id);
    agent.judge([id]);
  } finally {
    await removeCgroups(root);
  }
}

/** Answers as Docker does, when it is time. */
function answerLate(asked: () => void, release: Promise<void>): ConnectionScript {
  return async (connection) => {
    const [, id] = /^GET \/containers\/([0-9a-f]{64})\/json /.exec(await readRequest(connection)) ??
      [];
    if (id === undefined) return await hang(connection);
    asked();
    await release;
    const answer = { Id: id, Name: "/slow-1", Config: { Image: IMAGE }, State: {} };
    await send(connection, jsonAnswer(answer));
  };
}
