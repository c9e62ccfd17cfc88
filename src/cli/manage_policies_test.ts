import assert from "node:assert/strict";
import { FakePolicyService, samplePolicyStatus } from "../../tests/support/fake_policy_service.ts";
import {
  FakeUnixServer,
  jsonAnswer,
  readRequest,
  send,
} from "../../tests/support/fake_unix_server.ts";
import { LoggedLines } from "../../tests/support/logged_lines.ts";
import { ControlError, ControlServer } from "../api/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { reportError } from "./error_report.ts";
import { ExitCode, runCli, type Terminal } from "./mod.ts";

interface Outcome {
  readonly exitCode: ExitCode;
  readonly out: string;
  readonly error: string;
}

async function type(socket: string, ...args: string[]): Promise<Outcome> {
  let [out, error] = ["", ""];
  const terminal: Terminal = {
    environment: { SHRIKE_CONTROL_SOCKET: socket, SHRIKE_CONFIG: "/dev/null" },
    isStdoutTerminal: false,
    isStdinTerminal: false,
    isStderrTerminal: false,
    columns: () => 100,
    writeOut: (text) => void (out += text),
    checkOut: () => {},
    writeError: (text) => void (error += text),
    watchSignals: () => assert.fail("no command waits here"),
  };
  const exitCode = await runCli(["policy", ...args], terminal);
  return { exitCode, out, error };
}

class Agent implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "shrike-cli-" });
  readonly socket = `${this.folder}/c.sock`;
  readonly policies = new FakePolicyService();
  #server: ControlServer | undefined;

  static async start(): Promise<Agent> {
    const agent = new Agent();
    agent.#server = await ControlServer.open({
      path: agent.socket,
      agent: { version: "1", pid: 1, sinceNs: 0n },
      policies: agent.policies,
      counters: new Counters(),
      log: new LoggedLines(),
    });
    return agent;
  }

  write(name: string, text: string): string {
    const path = `${this.folder}/${name}`;
    Deno.writeTextFileSync(path, text);
    return path;
  }

  type(...args: string[]): Promise<Outcome> {
    return type(this.socket, ...args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("policy add gives files to the agent, and goes on after one with mistakes", async () => {
  await using agent = await Agent.start();
  const [a, bad, c] = [
    agent.write("a.yaml", "policy a"),
    agent.write("bad.yaml", "policy x\n\x1b[2J"),
    agent.write("c.yaml", "policy c"),
  ];
  const { exitCode, out, error } = await agent.type("add", "--mode", "monitor", a, bad, c);
  assert.equal(exitCode, ExitCode.usage);
  assert.equal(out, "a: enabled, monitor, kill-after\nc: enabled, monitor, kill-after\n");
  assert.equal(error, `${bad}:2:1: is no policy (change it)\n`);
  assert.deepEqual(agent.policies.names, ["a", "c"]);
  const again = await agent.type("add", a);
  assert.equal(again.exitCode, ExitCode.usage);
  assert.match(again.error, /the name "a" is taken by api/);
  const replaced = await agent.type("add", "--replace", "--persist", a, "-o", "json");
  assert.equal(replaced.exitCode, ExitCode.ok, replaced.error);
  assert.equal(JSON.parse(replaced.out).persistent, true);
});

Deno.test("policy add tells which file cannot be read", async () => {
  await using agent = await Agent.start();
  Deno.writeFileSync(`${agent.folder}/raw`, new Uint8Array([0xff]));
  for (
    const [path, text] of [
      [`${agent.folder}/none`, "there is no such file"],
      [agent.folder, "it is not a regular file"],
      [`${agent.folder}/raw`, "it is not UTF-8"],
      [agent.write("vast", "x".repeat(1024 * 1024 + 1)), "1048576 are allowed"],
    ] as const
  ) {
    const { exitCode, error } = await agent.type("add", path);
    assert.equal(exitCode, ExitCode.failure);
    assert.match(error, /^shrike: Cannot read the policy ".*\nhint: .+\n$/);
    assert.ok(error.includes(text), error);
  }
  assert.deepEqual(agent.policies.calls, []);
});

Deno.test("policy list shows a row for each policy, by name, and JSON lines", async () => {
  await using agent = await Agent.start();
  const policies = [
    samplePolicyStatus({ name: "web", namespace: "prod", workloads: null, isPersistent: true }),
    samplePolicyStatus({
      name: "broken",
      state: "load_error",
      error: "no \x1b[31mfunction",
      source: "/etc/shrike/policies/b.yaml",
      kernelSize: 900,
    }),
  ];
  agent.policies.list = () => policies;
  const { exitCode, out } = await agent.type("list");
  assert.equal(exitCode, ExitCode.ok);
  assert.deepEqual(out.trimEnd().split("\n").map((line) => line.replace(/ {2,}/g, "  ")), [
    "NAME  STATE  MODE  GUARANTEE  WORKLOADS  HITS KERNEL SOURCE",
    "broken  load_error enforce kill-after  3 12/2/0  900 /etc/shrike/policies/b.yaml: " +
    "no \\x1b[31mfunction",
    "prod/web enabled  enforce kill-after  all 12/2/0  1.5K api, kept",
  ]);
  const json = await agent.type("list", "-o", "json");
  const lines = json.out.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ name, kernel_size: size, workloads }) => [name, size, workloads]), [
    ["web", 1536, null],
    ["broken", 900, 3],
  ]);
});

Deno.test("policy show tells rules, hits and the text, safe for a terminal", async () => {
  await using agent = await Agent.start();
  const status = samplePolicyStatus({ binding: { template: "files", name: "keep-secrets" } });
  const text = "kind: x # \x1b]0;title\x07\n\tvalue: \\d\n";
  agent.policies.show = () => ({ status, text });
  const { exitCode, out } = await agent.type("show", "keep-secrets");
  assert.equal(exitCode, ExitCode.ok);
  assert.match(out, /^Name: +keep-secrets\nTemplate: +files\nState: +enabled\n/);
  assert.match(out, /^Hits: +12 told, 2 signalled, 0 made to fail, 1 left undone$/m);
  assert.match(out, /^syscall openat +0 +Post, Sigkill +kill-after +no LSM on this kernel$/m);
  assert.ok(out.endsWith("\nkind: x # \\x1b]0;title\\x07\n value: \\d\n"), out);
  const json = JSON.parse((await agent.type("show", "keep-secrets", "-o", "json")).out);
  assert.equal(json.text, text);
  assert.equal(json.rules.length, 2);
});

Deno.test("policy plan says what would come of it, and fails where it would not be taken", async () => {
  await using agent = await Agent.start();
  const path = agent.write("p.yaml", "policy p");
  const { exitCode, out } = await agent.type("plan", path);
  assert.equal(exitCode, ExitCode.usage);
  assert.match(out, /^lsm file_open +shadow +Post +observe +-$/m);
  assert.match(out, /^new +syscall openat$/m);
  assert.match(out, /^shared +lsm file_open$/m);
  assert.match(out, /^p +1 container web$/m);
  assert.match(out, /^Kernel memory: 2048 bytes more$/m);
  assert.match(out, /^Conflict: binding "a" and binding "b" select container web$/m);
  const json = JSON.parse((await agent.type("plan", "-o", "json", path)).out);
  assert.equal(json.file, path);
  assert.deepEqual(json.hooks[0], { hook: "syscall openat", new: true });
  const wrong = await agent.type("plan", agent.write("w.yaml", "{"));
  assert.equal(wrong.exitCode, ExitCode.usage);
  assert.match(wrong.error, /w\.yaml:1:2: is no policy \(write one\)\n$/);
  assert.deepEqual(agent.policies.names, []);
});

Deno.test("policy delete, enable, disable and set-mode change what is there", async () => {
  await using agent = await Agent.start();
  await agent.type("add", agent.write("p", "policy a\npolicy b"));
  agent.policies.calls.length = 0;
  for (const line of ["disable a b", "enable b", "set-mode a monitor", "delete a"]) {
    const { exitCode, error } = await agent.type(...line.split(" "));
    assert.equal(exitCode, ExitCode.ok, error);
  }
  assert.deepEqual(agent.policies.calls, [
    "disable a",
    "disable b",
    "enable b",
    "monitor a",
    "remove a",
  ]);
  for (const line of ["disable a", "enable a", "set-mode a monitor", "delete a", "show a"]) {
    const { exitCode, error } = await agent.type(...line.split(" "));
    assert.equal(exitCode, ExitCode.failure);
    assert.match(error, /^shrike: Cannot find the policy "a": .*\nhint: shrike policy list/);
  }
});

Deno.test("policy commands say when nobody, or no agent, answers", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const nobody = await type(`${folder}/none.sock`, "list");
    assert.equal(nobody.exitCode, ExitCode.failure);
    assert.match(nobody.error, /no agent listens there\nhint: start one with shrike run/);
  } finally {
    Deno.removeSync(folder);
  }
  const off = await type("off", "list");
  assert.equal(off.exitCode, ExitCode.usage);
  const cases: [string, RegExp][] = [
    [jsonAnswer({ policies: 7 }), /the answer.policies is not a list/],
    [jsonAnswer({ policies: [{ name: "a" }] }), /is not an object/],
    [jsonAnswer([]), /the answer is not an object/],
    ["HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{", /the answer is not JSON/],
    ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", /Cannot ask the agent/],
    ["nonsense\r\n\r\n", /Cannot ask the agent/],
    ["", /Cannot ask the agent/],
  ];
  for (const [answer, text] of cases) {
    await using server = new FakeUnixServer(async (connection) => {
      await readRequest(connection);
      await send(connection, answer);
    });
    const { exitCode, error } = await type(server.socketPath, "list");
    assert.equal(exitCode, ExitCode.failure);
    assert.match(error, /^shrike: Cannot .*\nhint: .*\n$/);
    assert.match(error, text);
  }
});

Deno.test("policy commands end with their own code when the socket may not be used", () => {
  const cause = Object.assign(new Error("connect EACCES"), { code: "EACCES" });
  const error = new ControlError("ask the agent", "not permitted", "run as root", cause);
  assert.deepEqual(reportError(error, { withTrace: false }), {
    lines: ["shrike: Cannot ask the agent: not permitted", "hint: run as root"],
    exitCode: ExitCode.notPermitted,
  });
});
