import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import {
  FakeUnixServer,
  hang,
  jsonAnswer,
  readRequest,
  send,
} from "../tests/support/fake_unix_server.ts";
import { lookAtRuntimes } from "./host_examination.ts";

/** The system's bus would tell of this machine. */
const NO_BUS = { api: "systemd", path: "/nowhere" } as const;

Deno.test("lookAtRuntimes() tells who answers, who hangs and who is not there", async () => {
  await using docker = new FakeUnixServer(async (connection) => {
    const path = (await readRequest(connection)).split(" ")[1]!;
    const isVersion = path === "/version";
    await send(
      connection,
      jsonAnswer(isVersion ? { Version: "20.10.24" } : {}, isVersion ? 200 : 500),
    );
  });
  await using podman = new FakeUnixServer(hang);
  const { isAsked, endpoints, unused } = await lookAtRuntimes({
    askRuntimes: true,
    runtimeSockets: [
      { api: "docker", path: docker.socketPath },
      { api: "podman", path: podman.socketPath },
      NO_BUS,
    ],
    runtimeTimeoutMs: 200,
  });
  equal(isAsked, true);
  deepStrictEqual(endpoints.map(({ api, path }) => [api, path]), [
    ["docker", docker.socketPath],
    ["podman", podman.socketPath],
  ]);
  equal(endpoints[0]!.version, "docker 20.10.24");
  equal(endpoints[0]!.error, undefined);
  equal(endpoints[1]!.version, undefined);
  match(endpoints[1]!.error!.text, /no answer within 200 ms/);
  ok(endpoints[1]!.error!.hint.length > 0);
  deepStrictEqual(unused, [{ ...NO_BUS, exists: false }]);
});

Deno.test("lookAtRuntimes() tells of a named file that is no socket", async () => {
  const path = await Deno.makeTempFile();
  try {
    const runtimeSockets = [{ api: "docker", path } as const, NO_BUS];
    const { endpoints, unused } = await lookAtRuntimes({
      ...{ askRuntimes: true, runtimeSockets, runtimeTimeoutMs: 200 },
    });
    deepStrictEqual([endpoints, unused[0]], [[], { api: "docker", path, exists: true }]);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("lookAtRuntimes() asks nobody when the settings say so", async () => {
  let asked = 0;
  await using docker = new FakeUnixServer((connection) => {
    asked += 1;
    return hang(connection);
  });
  const runtimeSockets = [{ api: "docker", path: docker.socketPath } as const];
  const look = await lookAtRuntimes({ askRuntimes: false, runtimeSockets, runtimeTimeoutMs: 200 });
  deepStrictEqual(look.endpoints, []);
  equal(look.isAsked, false);
  equal(asked, 0);
});
