import assert from "node:assert/strict";
import { eventually } from "../tests/support/eventually.ts";
import { FakePolicyService } from "../tests/support/fake_policy_service.ts";
import { LoggedLines } from "../tests/support/logged_lines.ts";
import { PolicyFiles, type PolicyFilesParts } from "./agent_policy_files.ts";
import { Counters } from "./telemetry/mod.ts";

/** Soon enough for a test, and nothing comes of the poll. */
const TIMES = { quietMs: 20, goneMs: 60, pollMs: 600_000 };

class Situation implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "shrike-policies-" });
  readonly policies = new FakePolicyService();
  readonly log = new LoggedLines();
  readonly counters = new Counters();
  readonly files: PolicyFiles;

  constructor(parts: Partial<PolicyFilesParts> = {}) {
    const { policies, log, counters } = this;
    this.files = new PolicyFiles({
      ...{ policies, log, counters, files: [], needsDirectory: true, times: TIMES },
      directory: this.folder,
      ...parts,
    });
  }

  write(name: string, text: string): string {
    const path = `${this.folder}/${name}`;
    Deno.writeTextFileSync(path, text);
    Deno.chmodSync(path, 0o644);
    return path;
  }

  async become(...names: string[]): Promise<void> {
    const wanted = names.join();
    await eventually(() => this.policies.names.toSorted().join() === wanted, wanted);
  }

  [Symbol.dispose](): void {
    this.files[Symbol.dispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("PolicyFiles.look() takes what has the name of a policy file, by name", async () => {
  using test = new Situation();
  test.write("b.yml", "policy b");
  test.write("a.yaml", "policy a1\npolicy a2");
  test.write("c.json", "policy c");
  for (const name of [".hidden.yaml", "d.yaml~", "e.txt", "yaml"]) test.write(name, "policy no");
  await test.files.look();
  assert.deepEqual(test.policies.names, ["a1", "a2", "b", "c"]);
  assert.deepEqual(test.policies.list().map(({ source }) => source), [
    ...[`${test.folder}/a.yaml`, `${test.folder}/a.yaml`],
    ...[`${test.folder}/b.yml`, `${test.folder}/c.json`],
  ]);
  assert.equal(test.counters.total("shrike_policy_files"), 3);
  assert.deepEqual([test.log.of("error"), test.log.of("warn")], [[], []]);
});

Deno.test("PolicyFiles takes named files beside the directory, and one that comes later", async () => {
  using place = new Situation();
  const early = place.write("early.conf", "policy early");
  using test = new Situation({ files: [early, `${place.folder}/late`], times: TIMES });
  test.write("a.yaml", "policy a");
  await test.files.look();
  assert.deepEqual(test.policies.names, ["a", "early"]);
  assert.deepEqual(test.log.of("error"), [
    `error Cannot read policies from "${place.folder}/late": there is no such file; ` +
    "it is read when it comes",
  ]);
  test.files.watch();
  place.write("late", "policy late");
  await test.become("a", "early", "late");
  assert.equal(test.log.of("error").length, 1);
});

Deno.test("PolicyFiles keeps a file's policies while its new text has a mistake", async () => {
  using test = new Situation();
  const path = test.write("a.yaml", "policy a\npolicy b");
  await test.files.look();
  test.files.watch();
  test.write("a.yaml", "policy a\n{\n}");
  await eventually(() => test.log.of("error").length === 2, "both mistakes are told");
  assert.deepEqual(test.log.of("error"), [
    `error ${path}:2:1: is no policy, continuing with the version before; change it`,
    `error ${path}:3:1: is no policy, continuing with the version before; change it`,
  ]);
  assert.deepEqual(test.policies.names, ["a", "b"]);
  const [refusal, ...others] = test.files.refusals();
  assert.deepEqual(others, []);
  assert.deepEqual(
    [refusal?.name, refusal?.state, refusal?.source, refusal?.error, refusal?.hint],
    [
      ...["a.yaml", "load_error", path],
      ...["2:1: is no policy; the version before is in force", "change it"],
    ],
  );
  await test.files.look();
  assert.equal(test.log.of("error").length, 2);
  test.write("a.yaml", "policy a\npolicy c");
  await test.become("a", "c");
  assert.deepEqual(test.files.refusals(), []);
  assert.equal(test.counters.total("shrike_policy_files_refused_total"), 1);
});

Deno.test("PolicyFiles follows files that are made, changed, replaced and removed", async () => {
  using test = new Situation();
  await test.files.look();
  test.files.watch();
  const path = test.write("a.yaml", "policy a");
  await test.become("a");
  test.write(".new", "policy b");
  Deno.renameSync(`${test.folder}/.new`, path);
  await test.become("b");
  Deno.renameSync(path, `${test.folder}/z.yaml`);
  await eventually(
    () => test.policies.list()[0]?.source === `${test.folder}/z.yaml`,
    "the policy is of the new name",
  );
  Deno.removeSync(`${test.folder}/z.yaml`);
  await test.become();
  assert.equal(test.counters.total("shrike_policy_files"), 0);
});

Deno.test("PolicyFiles leaves policies in force while an editor saves by moving files", async () => {
  using test = new Situation();
  const path = test.write("a.yaml", "policy a\npolicy b");
  await test.files.look();
  test.files.watch();
  // vim with backups: the file is away for a moment.
  Deno.renameSync(path, `${path}~`);
  await test.files.look();
  assert.deepEqual(test.policies.names, ["a", "b"]);
  test.write("a.yaml", "policy a\npolicy c");
  await test.become("a", "c");
  assert.ok(!test.policies.calls.some((call) => call.startsWith("remove")));
});

Deno.test("PolicyFiles takes no file that it cannot trust, and keeps what it had", async () => {
  using test = new Situation();
  const path = test.write("a.yaml", "policy a");
  const open = test.write("open.yaml", "policy open");
  Deno.chmodSync(open, 0o666);
  Deno.symlinkSync(path, `${test.folder}/link.yaml`);
  Deno.mkdirSync(`${test.folder}/folder.yaml`);
  Deno.writeFileSync(`${test.folder}/raw.yaml`, new Uint8Array([0xff]));
  test.write("vast.yaml", `#${"x".repeat(1024 * 1024)}`);
  await test.files.look();
  assert.deepEqual(test.policies.names, ["a"]);
  const told = test.log.of("error").map((line) => line.replaceAll(`${test.folder}/`, ""));
  assert.deepEqual(told, [
    "error folder.yaml:1:1: it is not a regular file, continuing without it; put a file there",
    "error link.yaml:1:1: it is a symbolic link, continuing without it; put the file itself there",
    'error open.yaml:1:1: others may write to it, continuing without it; chmod go-w "open.yaml"',
    "error raw.yaml:1:1: it is not UTF-8, continuing without it; save it as UTF-8",
    "error vast.yaml:1:1: it has 1048577 bytes, 1048576 are allowed, continuing without it; " +
    "split it",
  ]);
  Deno.chmodSync(path, 0o666);
  Deno.chmodSync(open, 0o600);
  test.files.watch();
  await eventually(() => {
    void test.files.look();
    return /a\.yaml:1:1: others may.*the version before/.test(test.log.of("error").at(-1)!);
  }, "the changed mode is told");
  assert.deepEqual(test.policies.names, ["a", "open"]);
});

Deno.test("PolicyFiles takes no directory and no file of another user", async () => {
  const owners = [(Deno.uid() ?? 0) + 1];
  using test = new Situation({ owners });
  test.write("a.yaml", "policy a");
  await test.files.look();
  await test.files.look();
  assert.deepEqual(test.policies.calls, []);
  assert.equal(test.log.of("error").length, 1);
  assert.match(test.log.of("error")[0]!, /it belongs to uid \d+; chown root/);
  Deno.chmodSync(test.folder, 0o777);
  using other = new Situation({ directory: test.folder });
  await other.files.look();
  assert.match(other.log.of("error")[0]!, /others may write to it/);
});

Deno.test("PolicyFiles tries a file again when another may have brought what it needs", async () => {
  using test = new Situation();
  const { policies } = test;
  const add = policies.add.bind(policies);
  policies.add = (source, options) => {
    const needs = /^# needs (\S+)/.exec(source.text)?.[1];
    const isThere = needs === undefined || policies.names.includes(needs);
    const text = isThere ? source.text : "{";
    return add({ ...source, text }, options);
  };
  test.write("a.yaml", "# needs b\npolicy a");
  test.write("b.yaml", "# needs c\npolicy b");
  test.write("c.yaml", "policy c");
  test.write("d.yaml", "# needs e\npolicy d");
  await test.files.look();
  assert.deepEqual(policies.names, ["c", "b", "a"]);
  assert.equal(test.log.of("error").length, 1);
  assert.match(test.log.of("error")[0]!, /d\.yaml:1:1/);
  test.write("e.yaml", "policy e");
  await test.files.look();
  assert.ok(policies.names.includes("d"));
});

Deno.test("PolicyFiles goes on when the policies fail, and tells why", async () => {
  using test = new Situation();
  test.write("a.yaml", "policy a");
  test.policies.failure = Object.assign(new Error("Cannot load: no memory"), { hint: "free it" });
  await test.files.look();
  assert.match(test.log.of("error")[0]!, /a\.yaml:1:1: Cannot load: no memory, .*free it/);
  test.write("b.yaml", "policy b");
  await test.files.look();
  // In any order: a file that was written a moment ago is read once more.
  assert.deepEqual(test.policies.names.toSorted(), ["a", "b"]);
});

Deno.test("PolicyFiles removes what a directory had that is gone, and reads a new one", async () => {
  using place = new Situation();
  const directory = `${place.folder}/policies`;
  Deno.mkdirSync(directory);
  using test = new Situation({ directory, times: { ...TIMES, pollMs: 50 } });
  Deno.writeTextFileSync(`${directory}/a.yaml`, "policy a", { mode: 0o644 });
  await test.files.look();
  test.files.watch();
  Deno.removeSync(directory, { recursive: true });
  await test.become();
  assert.match(test.log.of("error")[0]!, /there is no directory/);
  Deno.mkdirSync(directory);
  Deno.writeTextFileSync(`${directory}/b.yaml`, "policy b", { mode: 0o644 });
  await test.become("b");
});

Deno.test("PolicyFiles says nothing of a standard directory that is not there", async () => {
  using place = new Situation();
  using test = new Situation({ directory: `${place.folder}/none`, needsDirectory: false });
  await test.files.look();
  assert.deepEqual(test.log.lines, []);
});
