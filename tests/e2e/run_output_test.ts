/** What an agent does when its output is lost: one that guards goes on, another ends. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";
import { makeMark, RunningShrike, runShrike, runTrue, shrikePath } from "./shrike_process.ts";

const EXIT_FAILURE = 1;
const EXIT_OUTPUT_LOST = 6;

/** Reports a call that nobody makes. */
const QUIET_POLICY = `apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata:
  name: quiet
spec:
  kprobes:
  - call: sys_kexec_load
    syscall: true
`;

/** An agent with a control socket and, on request, a policy; its output is the test's affair. */
class Agent implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  readonly #folder: string;
  readonly #errors: Promise<void>;
  stderr = "";

  private constructor(folder: string, child: Deno.ChildProcess) {
    this.#folder = folder;
    this.child = child;
    this.#errors = this.#read();
  }

  static async start(options: {
    readonly withPolicy: boolean;
    /** Runs `"$@"` in a folder of its own, which is `$0`. */
    readonly script: string;
  }): Promise<Agent> {
    const folder = await Deno.makeTempDir({ prefix: "shrike-e2e-" });
    const policy = join(folder, "quiet.yaml");
    await Deno.mkdir(join(folder, "disk"));
    await Deno.writeTextFile(policy, QUIET_POLICY, { mode: 0o600 });
    const args = ["run", "-o", "json", "--log-level", "info", "--duration", "120s"];
    args.push("--control-socket", join(folder, "control.sock"));
    if (options.withPolicy) args.push("--policy", policy);
    const child = new Deno.Command("unshare", {
      args: ["--mount", "sh", "-c", options.script, join(folder, "disk"), shrikePath(), ...args],
      env: { SHRIKE_POLICY_DIR: "off", SHRIKE_POLICY_PERSIST_DIR: "off" },
      ...{ stdin: "null", stdout: "piped", stderr: "piped" },
    }).spawn();
    return new Agent(folder, child);
  }

  async saw(pattern: RegExp): Promise<void> {
    const seen = () => pattern.test(this.stderr);
    await eventually(seen, `${pattern} on stderr, there is: ${this.stderr}`);
  }

  listPolicies(): ReturnType<typeof runShrike> {
    const env = { SHRIKE_CONTROL_SOCKET: join(this.#folder, "control.sock") };
    return runShrike(["policy", "list"], { env });
  }

  /** A file below the agent's mounts. */
  path(name: string): string {
    return `/proc/${this.child.pid}/root${this.#folder}/${name}`;
  }

  async end(signal: Deno.Signal): Promise<number> {
    this.child.kill(signal);
    return (await this.child.status).code;
  }

  async #read(): Promise<void> {
    for await (const text of this.child.stderr.pipeThrough(new TextDecoderStream())) {
      this.stderr += text;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.child.stdout.cancel().catch(() => {});
    await this.child.status;
    await this.#errors;
    await Deno.remove(this.#folder, { recursive: true });
  }
}

const TO_PIPE = 'exec "$@"';
const TO_SMALL_DISK = 'mount -t tmpfs -o size=16k tmpfs "$0" && exec "$@" >"$0/out"';

Deno.test("shrike run with a policy goes on when the reader of its output is gone", async () => {
  await using agent = await Agent.start({ withPolicy: true, script: TO_PIPE });
  const reader = agent.child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  await agent.saw(/Events are not written any more/);
  const { code, stdout } = await agent.listPolicies();
  assert.equal(code, 0);
  assert.match(stdout, /quiet/);
  assert.equal(await agent.end("SIGTERM"), EXIT_OUTPUT_LOST, "the loss is in the exit code");
});

Deno.test("shrike run without a policy ends with a code when the reader is gone", async () => {
  await using agent = await Agent.start({ withPolicy: false, script: TO_PIPE });
  const reader = agent.child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  assert.equal((await agent.child.status).code, EXIT_OUTPUT_LOST, agent.stderr);
});

Deno.test("shrike run with a policy tries again when its disk is full", async () => {
  await using agent = await Agent.start({ withPolicy: true, script: TO_SMALL_DISK });
  await agent.saw(/Cannot write events to "stdout": .*ENOSPC.*, trying again/);
  assert.match((await agent.listPolicies()).stdout, /quiet/);
  await Deno.truncate(agent.path("disk/out"), 0);
  await agent.saw(/Events are written to stdout again/);
  assert.match((await agent.listPolicies()).stdout, /quiet/);
});

Deno.test("shrike run without a policy ends when its disk is full, and says so", async () => {
  await using agent = await Agent.start({ withPolicy: false, script: TO_SMALL_DISK });
  assert.equal((await agent.child.status).code, EXIT_FAILURE);
  await agent.saw(/Cannot write events to "stdout": .*ENOSPC/);
});

Deno.test("shrike run without a terminal goes on after SIGHUP and says so", async () => {
  await using shrike = await RunningShrike.start();
  shrike.kill("SIGHUP");
  const mark = makeMark("after-hangup");
  await runTrue(mark);
  await shrike.waitFor((event) => event.process_exec?.process.argv?.[1] === mark, mark);
  const { code, stderr } = await shrike.end("SIGTERM");
  assert.equal(code, 0, stderr);
  assert.match(stderr, /SIGHUP ignored/);
});
