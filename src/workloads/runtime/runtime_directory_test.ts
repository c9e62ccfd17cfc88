import { deepStrictEqual, equal } from "node:assert/strict";
import { FakeTimers } from "../../../tests/support/fake_timers.ts";
import { FakeUnixServer, hang } from "../../../tests/support/fake_unix_server.ts";
import { Counters } from "../../telemetry/mod.ts";
import type { Subject } from "./runtime_client.ts";
import { RuntimeDirectory } from "./runtime_directory.ts";
import type { SocketPlace } from "./well_known_sockets.ts";

const SUBJECT: Subject = { kind: "container", id: "x", runtime: "docker", inPod: false };

function directoryOf(sockets: readonly SocketPlace[]) {
  const timers = new FakeTimers();
  const found: string[] = [];
  const directory = new RuntimeDirectory({
    sockets,
    searchUsers: false,
    limits: { timeoutMs: 100, responseSizeMax: 1000 },
    counters: new Counters(),
    timers,
    report: () => {},
    found: (api) => found.push(api),
  });
  return { directory, timers, found };
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
