import { equal, rejects } from "node:assert/strict";
import { FakeGrpcServer } from "../../../tests/support/fake_grpc_server.ts";
import {
  FakeUnixServer,
  hang,
  jsonAnswer,
  readRequest,
  send,
} from "../../../tests/support/fake_unix_server.ts";
import { Counters } from "../../telemetry/mod.ts";
import { ContainerdClient } from "./containerd_client.ts";
import { CONTAINERD_METHODS } from "./containerd_messages.ts";
import { CriClient } from "./cri_client.ts";
import { CRI_METHODS } from "./cri_messages.ts";
import { DockerClient } from "./docker_client.ts";
import { FactLimits } from "./fact_limits.ts";
import { PodmanClient } from "./podman_client.ts";
import { ProtobufWriter } from "./protobuf.ts";

function optionsFor({ socketPath }: { readonly socketPath: string }) {
  const limits = { timeoutMs: 300, responseSizeMax: 10_000 };
  return { socketPath, limits, factLimits: new FactLimits(new Counters()) };
}

/** The library closes sockets in the next turns: no leaks of ours. */
function grpcTest(name: string, run: () => Promise<void>): void {
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn: run });
}

grpcTest("version() of CRI and containerd names the runtime", async () => {
  await using server = await FakeGrpcServer.start({
    unary: {
      [CRI_METHODS.version]: () =>
        new ProtobufWriter().text(1, "0.1.0").text(2, "containerd").text(3, "1.6.20~ds1").finish(),
      [CONTAINERD_METHODS.version]: () =>
        new ProtobufWriter().text(1, "1.6.20~ds1").text(2, "1.6.20~ds1-1").finish(),
    },
  });
  for (const Client of [CriClient, ContainerdClient]) {
    const client = new Client(optionsFor(server));
    equal(await client.version(), "containerd 1.6.20~ds1", client.api);
    client.close();
  }
});

grpcTest("version() is not there where the socket speaks another API", async () => {
  await using server = await FakeGrpcServer.start({});
  for (const Client of [CriClient, ContainerdClient]) {
    const client = new Client(optionsFor(server));
    equal(await client.version(), undefined, client.api);
    client.close();
  }
});

grpcTest("version() says so when the answer is none", async () => {
  const rubbish = () => Uint8Array.of(0x0a, 0xff);
  await using server = await FakeGrpcServer.start({
    unary: { [CRI_METHODS.version]: rubbish, [CONTAINERD_METHODS.version]: rubbish },
  });
  for (const Client of [CriClient, ContainerdClient]) {
    const client = new Client(optionsFor(server));
    await rejects(client.version(), { name: "RuntimeError", code: "protocol" });
    client.close();
  }
});

/** Answers by path; 404 for the rest. */
function httpServer(answers: Readonly<Record<string, string>>): FakeUnixServer {
  return new FakeUnixServer(async (connection) => {
    const path = (await readRequest(connection)).split(" ")[1]!;
    await send(connection, answers[path] ?? jsonAnswer({ message: "page not found" }, 404));
  });
}

const HTTP_CLIENTS = [
  [DockerClient, "/version", "docker"],
  [PodmanClient, "/v4.0.0/libpod/version", "podman"],
] as const;

for (const [Client, path, name] of HTTP_CLIENTS) {
  Deno.test(`version() of ${name} reads its version, or finds another API`, async () => {
    await using server = httpServer({ [path]: jsonAnswer({ Version: "20.10.24" }) });
    equal(await new Client(optionsFor(server)).version(), `${name} 20.10.24`);
    await using other = httpServer({});
    equal(await new Client(optionsFor(other)).version(), undefined);
  });

  Deno.test(`version() of ${name} tells what went wrong`, async () => {
    await using silent = new FakeUnixServer(hang);
    await rejects(new Client(optionsFor(silent)).version(), { code: "timeout" });
    await using empty = httpServer({ [path]: jsonAnswer({ Version: 7 }) });
    await rejects(new Client(optionsFor(empty)).version(), { code: "protocol" });
    await using refusing = httpServer({ [path]: jsonAnswer({}, 500) });
    await rejects(new Client(optionsFor(refusing)).version(), { code: "refused" });
  });
}
