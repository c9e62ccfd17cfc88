import assert from "node:assert/strict";
import { FakePolicyService } from "../tests/support/fake_policy_service.ts";
import { LoggedLines } from "../tests/support/logged_lines.ts";
import { AgentControl, type AgentControlParts } from "./agent_control.ts";
import { ControlClient } from "./api/mod.ts";
import { loadConfig, type OptionName } from "./config/mod.ts";
import { Counters, SystemClock } from "./telemetry/mod.ts";

/** A document of the language: what is kept is split into such. */
function policyText(name: string): string {
  return `apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata:
  name: ${name}
spec:
  kprobes:
  - call: openat
    syscall: true
`;
}

/** Reads the names of YAML documents instead of lines. */
class NamedPolicies extends FakePolicyService {
  override add(...[source, options]: Parameters<FakePolicyService["add"]>) {
    const names = [...source.text.matchAll(/^ {2}name: (.*)$/gm)].map((match) => match[1]);
    const text = names.length === 0 ? "{" : names.map((name) => `policy ${name}`).join("\n");
    return super.add({ ...source, text }, options);
  }
}

/** A host with a place for everything, on which agents come and go. */
class Host implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "shrike-control-" });
  readonly socket = `${this.folder}/run/control.sock`;
  readonly client = new ControlClient(this.socket);

  constructor() {
    Deno.mkdirSync(`${this.folder}/etc`);
  }

  async start(
    flags: Partial<Record<OptionName, string[]>> = {},
    parts: Partial<AgentControlParts> = {},
  ): Promise<Agent> {
    const all = { persistDirectory: [`${this.folder}/kept`], ...flags };
    const readFile = () => {
      throw Object.assign(new Error("none"), { code: "ENOENT" });
    };
    const { config } = loadConfig({
      flags: new Map(Object.entries(all) as [OptionName, string[]][]),
      environment: {},
      readFile,
    });
    const agent = new Agent(config, {
      places: { socket: this.socket, policyDirectory: `${this.folder}/etc`, isRoot: true },
      ...parts,
    });
    await agent.control.start();
    return agent;
  }

  write(name: string): string {
    const path = `${this.folder}/${name}.yaml`;
    Deno.writeTextFileSync(path, policyText(name.replace(/^.*\//, "")));
    Deno.chmodSync(path, 0o644);
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

class Agent implements AsyncDisposable {
  readonly policies = new NamedPolicies();
  readonly log = new LoggedLines();
  readonly control: AgentControl;

  constructor(config: AgentControlParts["config"], parts: Partial<AgentControlParts>) {
    const payload = { build: () => ({ version: "1.0.0" }) } as AgentControlParts["payload"];
    this.control = new AgentControl({
      ...{ config, policies: this.policies, payload, log: this.log },
      clock: new SystemClock(() => 0n),
      counters: new Counters(),
      ...parts,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.control[Symbol.asyncDispose]();
  }
}

const source = (...names: string[]) => ({
  file: "given.yaml",
  text: names.map((name) => policyText(name)).join("---\n"),
});

Deno.test("AgentControl lists files that it could not take policies from", async () => {
  using host = new Host();
  host.write("etc/a");
  const open = host.write("etc/open");
  Deno.chmodSync(open, 0o666);
  await using _agent = await host.start({});
  const list = await host.client.list();
  assert.deepEqual(list.map(({ name, state, source }) => [name, state, source]), [
    ["a", "enabled", `${host.folder}/etc/a.yaml`],
    ["open.yaml", "load_error", open],
  ]);
  assert.match(list[1]!.error ?? "", /^1:1: /);
});

Deno.test("AgentControl loads the host's policies and answers at the usual place", async () => {
  using host = new Host();
  host.write("etc/a");
  {
    await using agent = await host.start({ policyFiles: [host.write("b")] });
    assert.deepEqual((await host.client.list()).map(({ name }) => name), ["a", "b"]);
    assert.equal((await host.client.status()).version, "1.0.0");
    assert.deepEqual([agent.log.of("warn"), agent.log.of("error")], [[], []]);
  }
  await assert.rejects(host.client.list(), /no agent listens there/);
});

Deno.test("AgentControl keeps policies over restarts when that is asked, as they were", async () => {
  using host = new Host();
  {
    await using _ = await host.start();
    await host.client.add(source("a", "b", "c"), { isPersistent: true, mode: "monitor" });
    await host.client.add(source("gone"));
    await host.client.setEnabled("a", false);
    await host.client.setMode("b", "enforce");
    await host.client.remove("c");
  }
  await using agent = await host.start();
  const policies = (await host.client.list()).map(({ name, state, mode, isPersistent }) =>
    [name, state, mode, isPersistent].join(" ")
  );
  assert.deepEqual(policies, ["a disabled monitor true", "b enabled enforce true"]);
  await host.client.add(source("a"), { replaces: true });
  await host.client.setEnabled("a", false);
  await agent.control[Symbol.asyncDispose]();
  await using last = await host.start();
  assert.deepEqual(last.policies.names, ["b"]);
});

Deno.test("AgentControl keeps nothing of what was refused, and says where it cannot keep", async () => {
  using host = new Host();
  host.write("etc/a");
  await using agent = await host.start();
  await assert.rejects(host.client.add(source("x", "a"), { isPersistent: true }), { status: 422 });
  await assert.rejects(host.client.add({ file: "f", text: "{" }, { isPersistent: true }), {
    status: 422,
  });
  assert.deepEqual([...Deno.readDirSync(`${host.folder}/kept`)], []);
  Deno.chmodSync(`${host.folder}/kept`, 0o777);
  await assert.rejects(host.client.add(source("x"), { isPersistent: true }), { status: 422 });
  assert.deepEqual(agent.policies.names, ["a"]);
  await agent.control[Symbol.asyncDispose]();
  await using _ = await host.start({ persistDirectory: ["off"] });
  await assert.rejects(
    host.client.add(source("x"), { isPersistent: true }),
    (error: { complaints: { text: string; hint: string }[] }) => {
      assert.match(error.complaints[0]!.text, /no directory for them/);
      assert.match(error.complaints[0]!.hint, /policy.persist_dir/);
      return true;
    },
  );
});

Deno.test("AgentControl tells of a kept policy that is not taken, and lets it be deleted", async () => {
  using host = new Host();
  {
    await using _ = await host.start();
    await host.client.add(source("a"), { isPersistent: true });
  }
  const file = `${host.folder}/kept/a.json`;
  const stored = { ...JSON.parse(Deno.readTextFileSync(file)), text: "{" };
  Deno.writeTextFileSync(file, JSON.stringify(stored));
  await using agent = await host.start();
  assert.equal(agent.log.of("error").length, 1);
  assert.match(agent.log.of("error")[0]!, /The kept policy "a" at given.yaml:1:1: is no policy/);
  await host.client.remove("a");
  await assert.rejects(host.client.remove("a"), { status: 404 });
  assert.deepEqual([...Deno.readDirSync(`${host.folder}/kept`)], []);
});

Deno.test("AgentControl of a second agent leaves the first alone", async () => {
  using host = new Host();
  host.write("etc/a");
  const mine = host.write("mine");
  await using first = await host.start();
  await host.client.add(source("kept"), { isPersistent: true });
  {
    await using second = await host.start({ policyFiles: [mine] });
    assert.deepEqual(second.policies.names, ["mine"]);
    assert.equal(second.log.of("warn").length, 1);
    assert.match(
      second.log.of("warn")[0]!,
      /another agent listens there, continuing without control socket and without the policies/,
    );
  }
  assert.deepEqual((await host.client.list()).map(({ name }) => name), ["a", "kept"]);
  assert.deepEqual(first.log.of("warn"), []);
});

Deno.test("AgentControl goes on without a socket when it is off, or not to be had", async () => {
  using host = new Host();
  host.write("etc/a");
  const places = { socket: host.socket, policyDirectory: `${host.folder}/etc`, isRoot: false };
  for (const [flags, parts] of [[{ controlSocket: [""] }, {}], [{}, { places }]] as const) {
    await using agent = await host.start(flags as Record<string, string[]>, parts);
    assert.deepEqual(agent.policies.names, ["a"]);
    assert.deepEqual(agent.log.of("warn"), []);
    await assert.rejects(host.client.status(), /no agent listens there/);
  }
  await using agent = await host.start({ controlSocket: [`${host.folder}/no/such/c.sock`] });
  assert.deepEqual(agent.policies.names, ["a"]);
  assert.match(agent.log.of("warn")[0]!, /continuing without control socket; /);
});

Deno.test("AgentControl without policies answers its status and loads nothing", async () => {
  using host = new Host();
  host.write("etc/a");
  await using _ = await host.start({}, { policies: undefined });
  assert.equal((await host.client.status()).pid, Deno.pid);
  await assert.rejects(host.client.list(), { status: 503 });
});
