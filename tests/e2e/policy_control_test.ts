import assert from "node:assert/strict";
import { connect } from "node:net";
import { ControlClient } from "../../src/api/mod.ts";
import { eventually } from "../support/eventually.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { RunningShrike, runShrike, type ShrikeOptions } from "./shrike_process.ts";

/** A directory with a place for a control socket. */
class Place implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "shrike-e2e-" });
  readonly socket = `${this.folder}/run/control.sock`;
  readonly options: ShrikeOptions = { env: { SHRIKE_CONTROL_SOCKET: this.socket } };
  readonly client = new ControlClient(this.socket);

  list(options: ShrikeOptions = {}): ReturnType<typeof runShrike> {
    return runShrike(["policy", "list"], { ...options, ...this.options });
  }

  /** Who answers; an agent writes its first events before it listens. */
  async status(): ReturnType<ControlClient["status"]> {
    let status: Awaited<ReturnType<ControlClient["status"]>> | undefined;
    await eventually(async () => {
      status = await this.client.status().catch(() => undefined);
      return status !== undefined;
    }, "an agent answers");
    return status!;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Writes to the socket and takes what comes until the agent hangs up. */
function send(path: string, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.on("error", () => {});
    socket.on("close", () => resolve());
    socket.on("data", () => {});
    socket.end(bytes);
  });
}

Deno.test("shrike run is asked over a socket for root alone, which goes when it stops", async () => {
  using place = new Place();
  const none = await place.list();
  assert.equal(none.code, 1);
  assert.match(none.stderr, /no agent listens there\nhint: start one with shrike run/);
  await using agent = await RunningShrike.start([], place.options);
  const { pid, version } = await place.status();
  assert.equal(pid, agent.pid);
  assert.match(version, /^\d+\.\d+\.\d+/);
  assert.equal(Deno.lstatSync(place.socket).mode! & 0o777, 0o600);
  assert.equal(Deno.lstatSync(`${place.folder}/run`).mode! & 0o777, 0o700);
  Deno.chmodSync(place.folder, 0o755);
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const refused = await place.list({ wrapper: nobody });
  assert.equal(refused.code, 3, refused.stderr);
  assert.match(refused.stderr, /not permitted\nhint: run as root/);
  agent.kill("SIGTERM");
  await eventually(() => [...Deno.readDirSync(`${place.folder}/run`)].length === 0, "it is gone");
});

Deno.test("shrike run outlives clients that send anything", async () => {
  using place = new Place();
  await using agent = await RunningShrike.start([], place.options);
  const random = SeededRandom.fromEnvironment("clients that send anything");
  const starts = ["", "GET /v1/status HTTP/1.1\r\n", "POST /v1/policies HTTP/1.1\r\nHost: a\r\n"];
  for (let i = 0; i < 100; i++) {
    const start = new TextEncoder().encode(starts[random.below(starts.length)]);
    const rest = Uint8Array.from({ length: random.below(2000) }, () => random.below(256));
    await send(place.socket, new Uint8Array([...start, ...rest]));
  }
  assert.equal((await place.status()).pid, agent.pid);
  await agent.seeCanary();
});

Deno.test("a second shrike run goes without the socket, one after a kill takes it", async () => {
  using place = new Place();
  const first = await RunningShrike.start([], place.options);
  try {
    const second = await runShrike(["run", "--duration", "10ms", "-o", "json"], place.options);
    assert.equal(second.code, 0);
    assert.match(second.stderr, /another agent listens there, continuing without control socket/);
    assert.equal((await place.status()).pid, first.pid);
  } finally {
    first.kill("SIGKILL");
    await first[Symbol.asyncDispose]();
  }
  assert.ok(Deno.lstatSync(place.socket).isSocket);
  await using next = await RunningShrike.start([], place.options);
  assert.equal((await place.status()).pid, next.pid);
});
