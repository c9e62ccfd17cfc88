import assert from "node:assert/strict";
import { FakeNetworkService, sampleTraffic } from "../../tests/support/fake_network_service.ts";
import {
  FakeUnixServer,
  jsonAnswer,
  readRequest,
  send,
} from "../../tests/support/fake_unix_server.ts";
import { LoggedLines } from "../../tests/support/logged_lines.ts";
import type { Workload } from "../events/mod.ts";
import type { NetworkService } from "../network/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { ControlClient, RefusedError } from "./control_client.ts";
import { ControlServer } from "./control_server.ts";

const WEB: Workload = {
  ...{ kind: "container", name: "web", id: "ab12", source: "pending", reason: "lookup_running" },
  container: { runtime: "containerd", id: "ab12", name: "web", labels: { a: "b" } },
  pod: { uid: "u", namespace: "prod", name: "web-0", containerName: "web" },
  unit: { name: "x.scope", slice: "y.slice" },
};

async function ask(network: NetworkService | undefined) {
  const folder = Deno.makeTempDirSync({ prefix: "shrike-traffic-" });
  const path = `${folder}/c.sock`;
  try {
    await using _ = await ControlServer.open({
      ...{ path, network, policies: undefined, counters: new Counters(), log: new LoggedLines() },
      agent: { version: "1", pid: 1, sinceNs: 0n },
    });
    return await new ControlClient(path).traffic();
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("ControlClient.traffic() gives what the agent has counted", async () => {
  const network = new FakeNetworkService();
  const most = 2n ** 64n - 1n;
  network.rows = [
    sampleTraffic("container:ab12", {
      ...{ workload: WEB, bytesReceived: most, packetsReceived: 7n, bytesSent: 40n },
      ...{ packetsSent: 1n, execs: 3, connections: 0 },
    }),
  ];
  network.programs = { runTimeNs: most, runs: 12n };
  network.networkState = { state: "degraded", reason: "three sockets", hint: "look" };
  const { reading, state } = await ask(network);
  assert.deepEqual(state, network.networkState);
  assert.equal(reading.monotonicNs, 1_000_000_000n);
  assert.deepEqual(reading.programs, network.programs);
  const [web, ...sums] = reading.workloads;
  assert.deepEqual(web, {
    ...{ owner: "workload", key: "container:ab12", execs: 3, connections: 0 },
    // Labels stay with the agent, and so does the slice.
    workload: {
      ...WEB,
      container: { runtime: "containerd", id: "ab12", name: "web" },
      unit: { name: "x.scope" },
    },
    counts: [
      { direction: "receive", family: 4, protocol: "tcp", bytes: most, packets: 7n },
      { direction: "transmit", family: 4, protocol: "tcp", bytes: 40n, packets: 1n },
    ],
  });
  assert.deepEqual(sums, [
    { owner: "ended", key: "ended", counts: [], execs: 0 },
    { owner: "unknown", key: "unknown", counts: [], execs: 0 },
    { owner: "other", key: "other", counts: [], execs: 0 },
  ]);
});

Deno.test("ControlClient.traffic() is refused by an agent that counts no traffic", async () => {
  await assert.rejects(ask(undefined), (error) => {
    assert.ok(error instanceof RefusedError);
    assert.equal(error.status, 503);
    assert.match(error.message, /this agent does not count traffic/);
    assert.match(error.hint, /--network=false/);
    return true;
  });
});

Deno.test("ControlClient.traffic() refuses an answer that is none", async () => {
  const good = {
    monotonic_ns: "1",
    state: { state: "ok" },
    workloads: [{ owner: "workload", key: "k", counts: [], execs: 0 }],
  };
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ ...good, monotonic_ns: 1 }, /monotonic_ns is not a string/],
    [{ ...good, monotonic_ns: "-1" }, /monotonic_ns is not a count as a string/],
    [{ ...good, state: { state: "odd" } }, /state is not one of off, ok, degraded/],
    [{ ...good, workloads: [{ owner: "me" }] }, /owner is not one of/],
    [{ ...good, workloads: [{ ...good.workloads[0], execs: -1 }] }, /execs is not a count/],
  ];
  for (const [answer, reason] of cases) {
    await using server = new FakeUnixServer(async (connection) => {
      await readRequest(connection);
      await send(connection, jsonAnswer(answer));
    });
    await assert.rejects(new ControlClient(server.socketPath).traffic(), reason);
  }
});
