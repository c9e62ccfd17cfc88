import { deepStrictEqual, equal, rejects } from "node:assert/strict";
import {
  FakeUnixServer,
  hang,
  jsonAnswer,
  readRequest,
  send,
} from "../../../tests/support/fake_unix_server.ts";
import { Counters } from "../../telemetry/mod.ts";
import { DockerClient, readEvent } from "./docker_client.ts";
import { FactLimits } from "./fact_limits.ts";
import { PodmanClient } from "./podman_client.ts";
import type { RuntimeChange, Subject } from "./runtime_client.ts";

const ID = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
const POD_ID = ID.replaceAll("a", "b");
const SUBJECT: Subject = { kind: "container", id: ID, runtime: "docker", inPod: false };

const INSPECTED = {
  Id: ID,
  Name: "/web-1",
  Image: `sha256:${ID}`,
  State: { Pid: 4711, StartedAt: "2024-02-03T04:05:06.000000007Z" },
  Config: { Image: "nginx:1", Labels: { tier: "front", bad: 7 } },
};

/** Answers by path; 404 for the rest. */
function server(answers: Readonly<Record<string, unknown>>, status = 200): FakeUnixServer {
  return new FakeUnixServer(async (connection) => {
    const path = (await readRequest(connection)).split(" ")[1]!;
    const body = answers[path];
    await send(connection, body === undefined ? jsonAnswer({}, 404) : jsonAnswer(body, status));
  });
}

function options({ socketPath }: FakeUnixServer) {
  const limits = { timeoutMs: 1000, responseSizeMax: 100_000 };
  return { socketPath, limits, factLimits: new FactLimits(new Counters()) };
}

Deno.test("DockerClient.lookUp() reads a container", async () => {
  await using docker = server({ [`/containers/${ID}/json`]: INSPECTED });
  const facts = await new DockerClient(options(docker)).lookUp(SUBJECT);
  deepStrictEqual({ ...facts?.container, labels: { ...facts?.container?.labels } }, {
    runtime: "docker",
    id: ID,
    name: "web-1",
    image: { id: `sha256:${ID}`, name: "nginx:1" },
    labels: { tier: "front" },
    startTimeNs: 1706933106000000007n,
    pid: 4711,
  });
  equal(facts?.pod, undefined);
});

Deno.test("DockerClient.lookUp() finds the pod in kubelet's labels", async () => {
  const labels = {
    "io.kubernetes.pod.uid": "u-1",
    "io.kubernetes.pod.name": "cart-0",
    "io.kubernetes.pod.namespace": "shop",
    "io.kubernetes.container.name": "POD",
  };
  const answer = { ...INSPECTED, Config: { Labels: labels } };
  await using docker = server({ [`/containers/${ID}/json`]: answer });
  const facts = await new DockerClient(options(docker)).lookUp(SUBJECT);
  deepStrictEqual(facts?.pod, { uid: "u-1", name: "cart-0", namespace: "shop" });
  equal(facts?.isSandbox, true);
});

Deno.test("DockerClient.lookUp() leaves out what is missing or of another type", async () => {
  await using docker = server({
    [`/containers/${ID}/json`]: { Id: ID, Name: 5, State: { Pid: 0, StartedAt: "soon" } },
  });
  const facts = await new DockerClient(options(docker)).lookUp(SUBJECT);
  deepStrictEqual(facts, { container: { runtime: "docker", id: ID } });
});

Deno.test("DockerClient.lookUp() tells unknown from failed", async () => {
  await using empty = server({});
  equal(await new DockerClient(options(empty)).lookUp(SUBJECT), undefined);
  await using broken = server({ [`/containers/${ID}/json`]: { message: "no" } }, 500);
  await rejects(new DockerClient(options(broken)).lookUp(SUBJECT), { code: "refused" });
  await using other = server({ [`/containers/${ID}/json`]: { ...INSPECTED, Id: POD_ID } });
  await rejects(new DockerClient(options(other)).lookUp(SUBJECT), { code: "protocol" });
});

Deno.test("DockerClient.lookUp() keeps an id with slashes inside its path", async () => {
  const paths: string[] = [];
  await using docker = new FakeUnixServer(async (connection) => {
    paths.push((await readRequest(connection)).split(" ")[1]!);
    await send(connection, jsonAnswer({}, 404));
  });
  await new DockerClient(options(docker)).lookUp({ ...SUBJECT, id: "../x?y#z" });
  deepStrictEqual(paths, ["/containers/..%2Fx%3Fy%23z/json"]);
});

Deno.test("DockerClient.watch() reports containers and skips lines it cannot read", async () => {
  const lines = [
    { Type: "container", Action: "create", Actor: { ID } },
    { Type: "container", Action: "exec_start: ls", Actor: { ID } },
    { Type: "network", Action: "connect", Actor: { ID } },
    "rubbish",
    { Type: "container", Action: "destroy", Actor: { ID } },
  ].map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join("");
  await using docker = new FakeUnixServer(async (connection) => {
    await readRequest(connection);
    await send(connection, `HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n${lines}`);
    await hang(connection);
  });
  const abort = new AbortController();
  const changes: RuntimeChange[] = [];
  await new DockerClient(options(docker)).watch((change) => {
    changes.push(change);
    if (change.type === "removed") abort.abort();
  }, abort.signal);
  deepStrictEqual(changes, [
    { type: "connected" },
    { type: "container", id: ID },
    { type: "removed", id: ID },
  ]);
});

Deno.test("readEvent() takes nothing for granted", () => {
  for (
    const line of [
      "",
      "null",
      "[]",
      "5",
      `{"Type":"container"}`,
      `{"Type":"container","Actor":{"ID":5}}`,
    ]
  ) {
    equal(readEvent(line), undefined, line);
  }
});

const PODMAN_CONTAINER = {
  Id: ID,
  Name: "cart",
  Image: POD_ID,
  ImageName: "test.local/app:1",
  Pod: POD_ID,
  State: { Pid: 12, StartedAt: "2024-02-03T05:05:06.5+01:00" },
  Config: { Labels: null },
};

Deno.test("PodmanClient.lookUp() reads a container and its pod", async () => {
  const pod = { Id: POD_ID, Name: "shop", InfraContainerID: "", Labels: { team: "blue" } };
  await using podman = server({
    [`/v4.0.0/libpod/containers/${ID}/json`]: PODMAN_CONTAINER,
    [`/v4.0.0/libpod/pods/${POD_ID}/json`]: pod,
  });
  const client = new PodmanClient(options(podman));
  const facts = await client.lookUp({ ...SUBJECT, runtime: "podman" });
  deepStrictEqual(facts?.container, {
    runtime: "podman",
    id: ID,
    name: "cart",
    image: { id: POD_ID, name: "test.local/app:1" },
    startTimeNs: 1706933106500000000n,
    pid: 12,
  });
  const { labels, ...rest } = facts?.pod ?? {};
  deepStrictEqual(rest, { uid: POD_ID, name: "shop", containerName: "cart" });
  deepStrictEqual({ ...labels }, { team: "blue" });
  const whole = await client.lookUp({ kind: "pod", id: POD_ID, runtime: "podman", inPod: true });
  equal(whole?.pod?.name, "shop");
});

Deno.test("PodmanClient.lookUp() knows the infra container for the pod's sandbox", async () => {
  await using podman = server({
    [`/v4.0.0/libpod/containers/${ID}/json`]: { ...PODMAN_CONTAINER, IsInfra: true },
    [`/v4.0.0/libpod/pods/${POD_ID}/json`]: { Id: POD_ID, Name: "shop" },
  });
  const facts = await new PodmanClient(options(podman)).lookUp(SUBJECT);
  equal(facts?.isSandbox, true);
  equal(facts?.pod?.containerName, undefined);
});
