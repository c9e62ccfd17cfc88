/** What policies see, tell and do, from their text to the JSON lines and the processes. */
import assert from "node:assert/strict";
import { ControlClient } from "../../src/api/mod.ts";
import { eventually } from "../support/eventually.ts";
import { TestCgroup, v1Hierarchy, v2Hierarchy } from "../support/test_cgroup.ts";
import type { ProcessEventJson } from "./event_json.ts";
import { makeMark, RunningShrike } from "./shrike_process.ts";

const READY_TIMEOUT_MS = 20_000;
const SIGKILLED = 128 + 9;

/** What a policy told of a call. */
interface PolicyEventJson extends ProcessEventJson {
  readonly function_name: string;
  readonly args: readonly { readonly string_arg?: string; readonly int_arg?: number }[];
  readonly return?: { readonly int_arg: number };
  readonly action: string;
  readonly policy_name: string;
  readonly message?: string;
  readonly tags?: readonly string[];
  readonly policy: Readonly<Record<string, unknown>>;
}

/** A folder with a file that policies are about, and a place for a control socket. */
class Place implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "shrike-e2e-" });
  readonly secret = `${this.folder}/secret`;
  readonly client = new ControlClient(`${this.folder}/control.sock`);

  constructor() {
    Deno.writeTextFileSync(this.secret, "secret\n");
  }

  /** An agent that has these policies, and no other ones. */
  async start(file?: string): Promise<RunningShrike> {
    const env = { SHRIKE_CONTROL_SOCKET: `${this.folder}/control.sock` };
    const args = ["--policy-dir", "off", ...(file === undefined ? [] : ["--policy", file])];
    const shrike = await RunningShrike.start(args, { env });
    // It sees what runs before it has policies.
    const deadline = performance.now() + READY_TIMEOUT_MS;
    for (;;) {
      const policies = await this.client.list().catch(() => undefined);
      if (policies?.length === (file === undefined ? 0 : 1)) return shrike;
      assert.ok(performance.now() < deadline, "the agent has its policies");
    }
  }

  /** Resolves when a policy concerns a workload. */
  async covers(name: string): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while ((await this.client.show(name)).status.workloads === 0) {
      assert.ok(performance.now() < deadline, `${name} concerns a workload`);
    }
  }

  write(name: string, text: string): string {
    const path = `${this.folder}/${name}.yaml`;
    Deno.writeTextFileSync(path, text, { mode: 0o600 });
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function policyText(name: string, path: string, { spec = "", hook = "", selector = "" }): string {
  return `apiVersion: shrike.io/v1alpha1
kind: TracingPolicy
metadata: {name: ${name}}
spec:
${spec}  kprobes:
  - call: openat
    syscall: true
${hook}    args: [{index: 1, type: string, label: file}, {index: 2, type: int}]
    selectors:
    - matchArgs: [{index: 1, operator: Equal, values: ["${path}"]}]
${selector}`;
}

async function policyEvent(
  shrike: RunningShrike,
  matches: (event: PolicyEventJson) => boolean,
): Promise<PolicyEventJson> {
  const kprobeOf = (event: unknown) =>
    (event as { process_kprobe?: PolicyEventJson }).process_kprobe;
  const event = await shrike.waitFor((event) => {
    const body = kprobeOf(event);
    return body !== undefined && matches(body);
  }, "an event of a policy");
  return kprobeOf(event)!;
}

function cat(path: string, mark: string): Promise<Deno.CommandOutput> {
  return new Deno.Command("/bin/sh", { args: ["-c", 'exec /bin/cat "$1"', mark, path] }).output();
}

Deno.test("shrike run tells what a policy from a file saw, with what the call returned", async () => {
  using place = new Place();
  const hook = `    return: true
    returnArg: {index: 0, type: int}
    message: "somebody looks at it"
    tags: [files]
`;
  const file = place.write("watch", policyText("watch-secret", place.secret, { hook }));
  await using shrike = await place.start(file);
  const { code } = await cat(place.secret, makeMark("watch"));
  assert.equal(code, 0);
  const event = await policyEvent(shrike, ({ policy_name }) => policy_name === "watch-secret");
  assert.match(event.function_name, /^__(x64|arm64)_sys_openat$/);
  assert.deepEqual(event.args, [{ string_arg: place.secret, label: "file" }, { int_arg: 0 }]);
  assert.ok(event.return!.int_arg > 2, "the descriptor");
  assert.equal(event.process.binary, "/bin/cat");
  assert.equal(event.process.tid, event.process.pid);
  assert.equal(event.parent?.binary, "/bin/sh");
  assert.deepEqual(
    [event.action, event.message, event.tags],
    ["KPROBE_ACTION_POST", "somebody looks at it", ["files"]],
  );
  assert.deepEqual(event.policy, {
    ...{ name: "watch-secret", selector: "0", guarantee: "observe", mode: "monitor_only" },
  });
  const [status] = await place.client.list();
  assert.deepEqual([status!.name, status!.hits.post, status!.source], ["watch-secret", 1, file]);
});

Deno.test("shrike run enforces in the workloads that a policy selects, and nowhere else", async () => {
  using place = new Place();
  await using shrike = await place.start();
  using cgroup = new TestCgroup(v1Hierarchy("memory") ?? v2Hierarchy(), `/shrike-e2e-${Deno.pid}`);
  const spec = `  workloadSelector: {cgroupPath: "*${cgroup.path}*"}\n`;
  const selector = "      matchActions: [{action: Sigkill}]\n";
  const text = policyText("no-secret", place.secret, { spec, selector });
  await place.client.add({ file: "no-secret.yaml", text });
  // The cgroup is so young that its making may not have been told yet.
  await place.covers("no-secret");
  const inside = () => cgroup.run("/bin/cat", [place.secret]);
  assert.equal((await inside()).code, SIGKILLED);
  assert.equal((await cat(place.secret, makeMark("outside"))).code, 0);
  const below = cgroup.make("below");
  assert.equal((await below.run("/bin/cat", [place.secret])).code, SIGKILLED, "from its making on");
  below.remove();
  const killed = await policyEvent(shrike, ({ action }) => action === "KPROBE_ACTION_SIGKILL");
  assert.deepEqual([killed.policy["enforced"], killed.policy["guarantee"]], [true, "kill-after"]);
  assert.equal(killed.process.binary, "/bin/cat");

  await place.client.setMode("no-secret", "monitor");
  assert.equal((await inside()).code, 0);
  await policyEvent(shrike, ({ policy }) => policy["mode"] === "monitor" && !policy["enforced"]);
  await place.client.setMode("no-secret", "enforce");
  assert.equal((await inside()).code, SIGKILLED);
  await place.client.setEnabled("no-secret", false);
  assert.equal((await inside()).code, 0);
  await place.client.setEnabled("no-secret", true);
  assert.equal((await inside()).code, SIGKILLED);
  const told = () => shrike.events.filter((event) => "process_kprobe" in event).length;
  await eventually(() => told() === 5, "all five are told");
  const [status] = await place.client.list();
  assert.deepEqual(status!.hits, { post: 5, signal: 4, override: 0, monitored: 1 });
  await place.client.remove("no-secret");
  assert.equal((await inside()).code, 0);
});
