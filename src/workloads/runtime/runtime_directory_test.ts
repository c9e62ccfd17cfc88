import { deepStrictEqual, equal } from "node:assert/strict";
import { FakeGrpcServer } from "../../../tests/support/fake_grpc_server.ts";
import { FakeTimers } from "../../../tests/support/fake_timers.ts";
import { FakeUnixServer, hang } from "../../../tests/support/fake_unix_server.ts";
import { Counters } from "../../telemetry/mod.ts";
import { CONTAINERD_METHODS } from "./containerd_messages.ts";
import type { Subject } from "./runtime_client.ts";
import { RuntimeDirectory } from "./runtime_directory.ts";
import type { SocketPlace } from "./well_known_sockets.ts";

const SUBJECT: Subject = { kind: "container", id: "x", runtime: "docker", inPod: false };

function directoryOf(sockets: readonly SocketPlace[]) {
  const timers = new FakeTimers();
  const found: string[] = [];
  const changed: string[] = [];
  const directory = new RuntimeDirectory({
    sockets,
    searchUsers: false,
    limits: { timeoutMs: 5000, responseSizeMax: 1000 },
    counters: new Counters(),
    timers,
    report: (change, api) => changed.push(`${api} ${change.type}`),
    found: (api) => found.push(api),
  });
  return { directory, timers, found, changed };
}

Deno.test("RuntimeDirectory finds a runtime that comes later", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/docker.sock`;
  const { directory, timers, found } = directoryOf([{ api: "docker", path }]);
  directory.start();
  deepStrictEqual([found, directory.linksFor(SUBJECT).length], [[], 0]);
  {
    await using server = new FakeUnixServer(hang);
    await Deno.symlink(server.socketPath, path);
    await timers.pass(1000);
    deepStrictEqual([found, directory.linksFor(SUBJECT).length], [["docker"], 1]);
    await timers.pass(5000);
    equal(found.length, 1);
    equal(directory.linksFor({ ...SUBJECT, runtime: "podman" }).length, 0);
    directory.close();
  }
  equal(timers.size, 0);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("RuntimeDirectory takes no plain file for a socket", async () => {
  const path = await Deno.makeTempFile();
  const { directory, found } = directoryOf([{ api: "docker", path }]);
  directory.start();
  deepStrictEqual(found, []);
  directory.close();
  await Deno.remove(path);
});

Deno.test({
  name: "RuntimeDirectory does not believe a socket of another user",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using server = new FakeUnixServer(hang);
    await Deno.chown(server.socketPath, 1234, 1234);
    const stranger = directoryOf([{ api: "podman", path: server.socketPath, userUid: 1000 }]);
    stranger.directory.start();
    deepStrictEqual(stranger.found, []);
    stranger.directory.close();
    const own = directoryOf([{ api: "podman", path: server.socketPath, userUid: 1234 }]);
    own.directory.start();
    deepStrictEqual(own.found, ["podman"]);
    const subject: Subject = { ...SUBJECT, runtime: "podman" };
    equal(own.directory.linksFor(subject).length, 0);
    equal(own.directory.linksFor({ ...subject, userUid: 1234 }).length, 1);
    own.directory.close();
  },
});

Deno.test({
  name: "RuntimeDirectory tells of all APIs of a socket that they are back",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    // The CRI of this one has no stream and fails, as that of containerd 1.6 while it starts.
    await using server = await FakeGrpcServer.start({
      unary: {
        [CONTAINERD_METHODS.namespaces]: () => new Uint8Array(0),
      },
      stream: { [CONTAINERD_METHODS.events]: () => {} },
    });
    const path = server.socketPath;
    const { directory, changed } = directoryOf([{ api: "cri", path }, { api: "containerd", path }]);
    directory.start();
    const deadline = performance.now() + 10_000;
    while (!changed.includes("containerd connected") && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const at = changed.indexOf("containerd connected");
    equal(changed[at + 1], "cri connected");
    directory.close();
  },
});
