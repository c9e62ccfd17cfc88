import assert from "node:assert/strict";
import { connect } from "node:net";
import { eventually } from "../../tests/support/eventually.ts";
import { FakePolicyService, samplePolicyStatus } from "../../tests/support/fake_policy_service.ts";
import { Counters, type Log } from "../telemetry/mod.ts";
import { ControlClient, RefusedError } from "./control_client.ts";
import { type ControlLimits, ControlServer } from "./control_server.ts";

interface Situation {
  readonly path: string;
  readonly client: ControlClient;
  readonly policies: FakePolicyService;
  readonly counters: Counters;
  readonly lines: string[];
  readonly server: ControlServer;
}

const AGENT = { version: "1.2.3", pid: 42, sinceNs: 1_700_000_000_123_456_789n };

async function serving(
  test: (situation: Situation) => Promise<void>,
  { limits = {}, hasPolicies = true }: {
    limits?: Partial<ControlLimits>;
    hasPolicies?: boolean;
  } = {},
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "shrike-control-" });
  const path = `${folder}/c.sock`;
  const policies = new FakePolicyService();
  const counters = new Counters();
  const lines: string[] = [];
  const write = (text: string, fields: Record<string, unknown> = {}) =>
    void lines.push(`${text} ${JSON.stringify(fields)}`);
  const log: Log = { error: write, warn: write, info: write, debug: write };
  try {
    const made = hasPolicies ? policies : undefined;
    const parts = { path, agent: AGENT, policies: made, counters, log, limits };
    await using server = await ControlServer.open(parts);
    await test({ path, client: new ControlClient(path), policies, counters, lines, server });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Sends bytes as they are; gives all that came back until the server hung up. */
function talk(path: string, bytes: string, { end = false } = {}): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ path, allowHalfOpen: true });
    socket.on("data", (chunk: Uint8Array) => text += new TextDecoder().decode(chunk));
    socket.on("end", () => socket.end());
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    if (bytes !== "") socket.write(bytes, "latin1");
    if (end) socket.end();
  });
}

function requestsOf({ counters }: Situation): Record<string, number> {
  return Object.fromEntries(
    counters.snapshot().filter(({ name }) => name === "shrike_api_requests_total")
      .map(({ labels, value }) => [`${labels["route"]} ${labels["result"]}`, value]),
  );
}

Deno.test("ControlServer makes a socket for its owner alone and takes it away", async () => {
  let path = "";
  await serving(async (situation) => {
    path = situation.path;
    assert.equal(Deno.lstatSync(path).mode! & 0o777, 0o600);
    assert.deepEqual(await situation.client.status(), {
      version: "1.2.3",
      pid: 42,
      since: "2023-11-14T22:13:20.123Z",
    });
    await situation.server[Symbol.asyncDispose]();
    await situation.server[Symbol.asyncDispose]();
    assert.deepEqual([...Deno.readDirSync(path.slice(0, path.lastIndexOf("/")))], []);
  });
});

Deno.test("ControlServer gives every command to the policies and its answer back", () =>
  serving(async (situation) => {
    const { client, policies } = situation;
    const text = "policy a\npolicy odd%2Fname";
    const added = await client.add({ file: "x.yaml", text }, { mode: "monitor" });
    assert.deepEqual(added.map(({ name, mode }) => [name, mode]), [
      ["a", "monitor"],
      ["odd%2Fname", "monitor"],
    ]);
    assert.deepEqual(await client.list(), policies.list());
    const shown = await client.show("odd%2Fname");
    assert.equal(shown.text, "policy odd%2Fname");
    assert.deepEqual((await client.setEnabled("a", false))[0]!.state, "disabled");
    assert.deepEqual((await client.setEnabled("a", true))[0]!.state, "enabled");
    assert.deepEqual((await client.setMode("a", "enforce"))[0]!.mode, "enforce");
    await client.add({ file: "x", text: "policy a" }, { replaces: true, isPersistent: true });
    assert.equal((await client.show("a")).status.isPersistent, true);
    await client.remove("a");
    assert.deepEqual(policies.names, ["odd%2Fname"]);
    assert.deepEqual(requestsOf(situation), {
      ...{ "add ok": 2, "delete ok": 1, "disable ok": 1, "enable ok": 1, "list ok": 1 },
      ...{ "mode ok": 1, "show ok": 2 },
    });
    const changes = situation.lines.map((line) => JSON.parse(line.slice(line.indexOf('{"')))).map(
      ({ change, object }) => `${change} ${object}`,
    );
    assert.deepEqual(changes, [
      "add x.yaml",
      "disable a",
      "enable a",
      "set the mode of a",
      "add x",
      "delete a",
    ]);
  }));

Deno.test("ControlServer answers with all that a status and a plan have", () =>
  serving(async ({ client, policies }) => {
    const whole = samplePolicyStatus({
      namespace: "prod",
      binding: { template: "files", name: "keep-secrets" },
      state: "load_error",
      mode: "monitor_only",
      workloads: null,
      error: "the kernel has no function of that name",
      hint: "see shrike policy plan",
    });
    policies.list = () => [whole];
    assert.deepEqual(await client.list(), [whole]);
    const source = { file: "p.yaml", text: "policy p" };
    assert.deepEqual(await client.plan(source), await policies.plan(source));
  }));

Deno.test("ControlServer answers mistakes with complaints, and unknown names", () =>
  serving(async (situation) => {
    const { client } = situation;
    await assert.rejects(
      client.add({ file: "x.yaml", text: "policy a\n{" }),
      (error: RefusedError) => {
        assert.equal(error.status, 422);
        assert.deepEqual(error.complaints, [
          { file: "x.yaml", line: 2, column: 1, text: "is no policy", hint: "change it" },
        ]);
        return true;
      },
    );
    await assert.rejects(client.plan({ file: "x", text: "" }), { status: 422 });
    for (
      const ask of [
        () => client.show("none"),
        () => client.remove("none"),
        () => client.setEnabled("none", true),
        () => client.setMode("none", "monitor"),
      ]
    ) {
      await assert.rejects(ask, {
        status: 404,
        message: 'Cannot find the policy "none": there is none of that name',
      });
    }
    assert.equal(requestsOf(situation)["add refused"], 1);
    assert.equal(requestsOf(situation)["show refused"], 1);
  }));

Deno.test("ControlServer answers a failure of the policies and goes on", () =>
  serving(async (situation) => {
    const { client, policies, lines } = situation;
    policies.failure = Object.assign(new Error("Cannot write: no memory\nmore"), {
      hint: "free it",
    });
    await assert.rejects(client.list(), {
      status: 500,
      message: "Cannot write: no memory",
      hint: "free it",
    });
    assert.equal(lines.length, 1);
    assert.deepEqual(await client.list(), []);
    assert.deepEqual(requestsOf(situation), { "list failed": 1, "list ok": 1 });
  }));

Deno.test("ControlServer without policies tells its status and says so to all else", () =>
  serving(async ({ client }) => {
    assert.equal((await client.status()).version, "1.2.3");
    for (
      const ask of [() => client.list(), () => client.add({ file: "a", text: "" })]
    ) {
      await assert.rejects(ask, { status: 503 });
    }
  }, { hasPolicies: false }));

Deno.test("ControlServer refuses requests that are no requests of ours", () =>
  serving(async (situation) => {
    const { path, client } = situation;
    const post = (body: string, target = "/v1/policies") =>
      `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const cases: [string, RegExp][] = [
      ["GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n", / 404 .*"error":"Cannot find/s],
      ["GET /v1/policies/%zz HTTP/1.1\r\nHost: a\r\n\r\n", / 404 /],
      ["PUT /v1/policies HTTP/1.1\r\nHost: a\r\n\r\n", / 405 .*use GET or POST/s],
      [post("{"), / 400 .*the body is not JSON/s],
      [post("[]"), / 400 .*the body is not an object/s],
      [post('{"file":"a"}'), / 400 .*the body.text is not a string/s],
      [post('{"file":"a","text":7}'), / 400 .*the body.text is not a string/s],
      [post('{"file":"a","text":"","mode":"off"}'), / 400 .*one of enforce, monitor/s],
      [post('{"file":"a","text":"","persit":true}'), / 400 .*persit.*not known/s],
      [post("\xff"), / 400 .*not JSON/s],
      ["\x00\x01\x02 garbage \xff\r\n\r\n", / 400 .*it is not HTTP/s],
      ["SSH-2.0-OpenSSH_9.2\r\n", / 400 .*it is not HTTP/s],
      [`GET / HTTP/1.1\r\nHost: a\r\nX: ${"y".repeat(100_000)}\r\n\r\n`, / 400 /],
    ];
    for (const [bytes, answer] of cases) {
      assert.match(await talk(path, bytes), answer, bytes.slice(0, 60));
    }
    assert.equal(situation.counters.total("shrike_api_malformed_total"), 3);
    assert.equal(requestsOf(situation)["none refused"], 3);
    assert.deepEqual(await client.list(), []);
  }));

Deno.test("ControlServer bounds the body, said beforehand or not", () =>
  serving(async ({ path, client, policies }) => {
    const head = "POST /v1/policies HTTP/1.1\r\nHost: a\r\n";
    const said = await talk(path, `${head}Content-Length: 4096\r\n\r\n`);
    assert.match(said, / 413 .*more than 1000 bytes/s);
    const chunk = `400\r\n${"x".repeat(0x400)}\r\n`;
    const unsaid = await talk(path, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(8)}`);
    assert.match(unsaid, / 413 .*more than 1000 bytes/s);
    assert.deepEqual(policies.calls, []);
    assert.deepEqual(await client.list(), []);
  }, { limits: { bodySizeMax: 1000 } }));

Deno.test("ControlServer ends connections that say nothing, drip or hang", () =>
  serving(async ({ path, counters, client }) => {
    const slow = await Promise.all([
      talk(path, ""),
      talk(path, "GET /v1/status HTTP/1.1\r\nHost:"),
      talk(path, "POST /v1/policies HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"),
    ]);
    for (const answer of slow) assert.match(answer, / 40[08] /);
    assert.equal(counters.total("shrike_api_timeouts_total"), 3);
    assert.equal((await client.status()).pid, 42);
  }, { limits: { headersTimeoutMs: 50, requestTimeoutMs: 100 } }));

Deno.test("ControlServer answers who has closed the sending half, and forgets who hung up", () =>
  serving(async ({ path, client, policies }) => {
    const request = "GET /v1/status HTTP/1.1\r\nHost: a\r\n\r\n";
    assert.match(await talk(path, request, { end: true }), / 200 .*"version":"1.2.3"/s);
    await talk(path, "POST /v1/policies HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{", {
      end: true,
    });
    const gate = Promise.withResolvers<void>();
    policies.delay = gate.promise;
    const body = '{"file":"a","text":"policy a"}';
    const socket = connect({ path });
    socket.write(
      `POST /v1/policies HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await eventually(() => policies.calls.includes("add a"), "the request is under way");
    socket.destroy();
    gate.resolve();
    assert.deepEqual((await client.list()).map(({ name }) => name), ["a"]);
  }));

Deno.test("ControlServer hangs up on a client that does not take its answer", () =>
  serving(async ({ path, counters, client, policies }) => {
    // More than the buffers of a unix socket hold.
    policies.list = () => [samplePolicyStatus({ error: "x".repeat(4_000_000) })];
    const socket = connect({ path });
    socket.pause();
    socket.on("error", () => {});
    socket.write("GET /v1/policies HTTP/1.1\r\nHost: a\r\n\r\n");
    await eventually(() => counters.total("shrike_api_timeouts_total") === 1, "it hung up");
    socket.destroy();
    assert.equal((await client.status()).pid, 42);
  }, { limits: { answerTimeoutMs: 100 } }));

Deno.test("ControlServer closes the oldest idle connection for a new one", () =>
  serving(async ({ path, counters, client, lines }) => {
    const sockets = Array.from({ length: 200 }, () => connect({ path }));
    for (const socket of sockets) socket.on("error", () => {});
    const displaced = () => counters.total("shrike_api_displaced_connections_total");
    await eventually(() => displaced() === 196, "those that came first give way");
    assert.equal((await client.status()).pid, 42);
    assert.equal(lines.length, 1);
    for (const socket of sockets) socket.destroy();
  }, { limits: { connectionsMax: 4 } }));

Deno.test("ControlServer refuses a connection when all others are being answered", () =>
  serving(async ({ path, counters, client, policies }) => {
    const gate = Promise.withResolvers<void>();
    policies.delay = gate.promise;
    const added = ["a", "b"].map((name) => client.add({ file: name, text: `policy ${name}` }));
    await eventually(() => policies.calls.length === 2, "both are under way");
    assert.equal(await talk(path, "GET /v1/status HTTP/1.1\r\nHost: a\r\n\r\n"), "");
    assert.equal(counters.total("shrike_api_refused_connections_total"), 1);
    gate.resolve();
    await Promise.all(added);
    assert.equal((await client.status()).pid, 42);
  }, { limits: { connectionsMax: 2 } }));

Deno.test("ControlServer does one of the requests that are sent at once", () =>
  serving(async (situation) => {
    const request = "DELETE /v1/policies/a HTTP/1.1\r\nHost: a\r\n\r\n";
    const text = await talk(situation.path, request.repeat(500));
    assert.equal(text.split("HTTP/1.1 ").length - 1, 1);
    assert.deepEqual(requestsOf(situation), { "delete refused": 1 });
  }));

Deno.test("ControlServer lets a change under way end when it stops, but not for ever", async () => {
  await serving(async ({ client, policies, server }) => {
    const gate = Promise.withResolvers<void>();
    policies.delay = gate.promise;
    const added = client.add({ file: "a", text: "policy a" });
    await eventually(() => policies.calls.includes("add a"), "the request is under way");
    const closed = server[Symbol.asyncDispose]();
    gate.resolve();
    assert.equal((await added)[0]!.name, "a");
    await closed;
  });
  await serving(async ({ client, policies, server }) => {
    policies.delay = new Promise(() => {});
    const added = client.add({ file: "a", text: "policy a" });
    const failed = assert.rejects(added, { name: "ControlError" });
    await eventually(() => policies.calls.includes("add a"), "the request is under way");
    await server[Symbol.asyncDispose]();
    await failed;
  }, { limits: { closeTimeoutMs: 20 } });
});
