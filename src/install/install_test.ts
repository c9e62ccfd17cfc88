import assert from "node:assert/strict";
import { FakeHost } from "../../tests/support/fake_host.ts";
import { DEFAULT_CONFIG_PATH, loadConfig } from "../config/mod.ts";
import { defaultConfigText, setsNothing } from "./default_config.ts";
import {
  InstallError,
  type InstallOptions,
  planInstall,
  planUninstall,
  runSteps,
  type ServiceControl,
  type Step,
  TargetFiles,
} from "./mod.ts";
import { adaptUnit, executableOf } from "./unit_file.ts";

const UNIT = Deno.readTextFileSync(
  new URL("../../scripts/systemd/shrike.service", import.meta.url),
);
const UNIT_PATH = "/etc/systemd/system/shrike.service";
const EXECUTABLE_PATH = "/opt/shrike/bin/shrike";

/** A systemd that remembers what it was told; `failing` is a word of a call that fails. */
class FakeService implements ServiceControl {
  readonly calls: string[] = [];
  isActive = false;
  failing: string | null = null;

  constructor(readonly isRunning = true) {}

  systemctl(args: readonly string[]): { code: number; output: string } {
    if (args[0] === "is-active") return { code: this.isActive ? 0 : 3, output: "" };
    this.calls.push(args.join(" "));
    if (args[0] === this.failing) return { code: 1, output: "Job failed" };
    if (args[0] === "start" || args[0] === "restart") this.isActive = true;
    if (args[0] === "disable") this.isActive = false;
    return { code: 0, output: "" };
  }
}

/** A host to install on, with an executable of this text to install. */
class TestHost implements Disposable {
  readonly host = new FakeHost({});
  readonly files = new TargetFiles(this.host.root);
  readonly source = Deno.makeTempFileSync();
  readonly service: FakeService;

  constructor(program: string, isRunning = true) {
    this.service = new FakeService(isRunning);
    this.upgrade(program);
  }

  upgrade(program: string): void {
    Deno.writeTextFileSync(this.source, program);
  }

  install(options: Partial<InstallOptions> = {}, isDryRun = false): string[] {
    return this.#run(
      planInstall(this, {
        ...{ prefix: "/opt/shrike", executable: this.source, unit: UNIT, enable: false },
        memoryMax: 768 * 1024 ** 2,
        ...options,
      }),
      isDryRun,
    );
  }

  uninstall({ purge = false, isDryRun = false } = {}): string[] {
    const options = { prefix: "/opt/shrike", executable: this.source, purge };
    return this.#run(planUninstall(this, options), isDryRun);
  }

  #run(steps: readonly Step[], isDryRun: boolean): string[] {
    const lines: string[] = [];
    runSteps(steps, { isDryRun, say: (line) => lines.push(line) });
    return lines;
  }

  /** Every file and directory below the root, without the fake's own /proc. */
  paths(): string[] {
    const found: string[] = [];
    const walk = (path: string) => {
      for (const { name, isDirectory } of Deno.readDirSync(this.host.root + path)) {
        if (path === "" && name === "proc") continue;
        found.push(`${path}/${name}`);
        if (isDirectory) walk(`${path}/${name}`);
      }
    };
    walk("");
    return found.sort();
  }

  mode(path: string): number {
    return Deno.statSync(this.host.root + path).mode! & 0o7777;
  }

  [Symbol.dispose](): void {
    this.host[Symbol.dispose]();
    Deno.removeSync(this.source);
  }
}

Deno.test("planInstall() writes program, config and unit, and starts the service on demand", () => {
  using test = new TestHost("program");
  const lines = test.install({ enable: true });
  assert.deepEqual(lines, [
    `write "${EXECUTABLE_PATH}"`,
    `write "${DEFAULT_CONFIG_PATH}"`,
    `write "${UNIT_PATH}"`,
    'run "systemctl daemon-reload"',
    'run "systemctl enable shrike.service"',
    'run "systemctl start shrike.service"',
  ]);
  assert.deepEqual(test.service.calls, [
    "daemon-reload",
    "enable shrike.service",
    "start shrike.service",
  ]);
  assert.equal(test.files.readText(EXECUTABLE_PATH), "program");
  assert.equal(test.mode(EXECUTABLE_PATH), 0o755);
  assert.equal(test.mode(UNIT_PATH), 0o644);
  assert.equal(executableOf(test.files.readText(UNIT_PATH)!), EXECUTABLE_PATH);
  assert.deepEqual(test.paths().filter((path) => path.includes(".shrike-")), []);
});

Deno.test("planInstall() changes nothing when it is called again", () => {
  using test = new TestHost("program");
  test.install({ enable: true });
  const calls = test.service.calls.length;
  assert.deepEqual(test.install({}), [
    `keep "${EXECUTABLE_PATH}", it is current`,
    `keep "${DEFAULT_CONFIG_PATH}", which is there`,
    `keep "${UNIT_PATH}", it is current`,
    "keep the service running, nothing has changed",
  ]);
  assert.equal(test.service.calls.length, calls);
});

Deno.test("planInstall() replaces another version and restarts the service that runs", () => {
  using test = new TestHost("program");
  test.install({ enable: true });
  using open = Deno.openSync(test.host.root + EXECUTABLE_PATH);
  test.upgrade("program of the next version");
  test.service.calls.length = 0;
  assert.equal(test.install()[0], `replace "${EXECUTABLE_PATH}"`);
  assert.deepEqual(test.service.calls, ["restart shrike.service"]);
  assert.equal(test.files.readText(EXECUTABLE_PATH), "program of the next version");
  // Who runs the one before keeps it: the file was not written over.
  const bytes = new Uint8Array(20);
  assert.equal(new TextDecoder().decode(bytes.subarray(0, open.readSync(bytes)!)), "program");
});

Deno.test("planInstall() puts a changed memory limit into the unit", () => {
  using test = new TestHost("program");
  test.install({ enable: true });
  test.service.calls.length = 0;
  const lines = test.install({ memoryMax: 1024 ** 3 });
  assert.ok(lines.includes(`replace "${UNIT_PATH}"`));
  assert.deepEqual(test.service.calls, ["daemon-reload", "restart shrike.service"]);
  const unit = test.files.readText(UNIT_PATH)!;
  assert.match(unit, /^MemoryMax=1G$/m);
  assert.match(unit, /^MemoryHigh=699050K$/m);
});

Deno.test("planInstall() says the same in a dry run and does nothing", () => {
  using test = new TestHost("program");
  const before = test.paths();
  const dry = test.install({ enable: true }, true);
  assert.deepEqual(test.paths(), before);
  assert.deepEqual(test.service.calls, []);
  assert.deepEqual(test.install({ enable: true }), dry);
  const removed = test.uninstall({ isDryRun: true });
  assert.equal(test.files.readText(EXECUTABLE_PATH), "program");
  assert.deepEqual(test.uninstall(), removed);
});

Deno.test("planInstall() keeps a config file and copies files where systemd does not run", () => {
  using test = new TestHost("program", false);
  test.host.addFile(DEFAULT_CONFIG_PATH, "output:\n  format: json\n");
  const lines = test.install({ enable: true });
  assert.match(lines.at(-1)!, /systemd alone, which does not run here; the service is not enabled/);
  assert.deepEqual(test.service.calls, []);
  assert.equal(test.files.readText(DEFAULT_CONFIG_PATH), "output:\n  format: json\n");
  assert.ok(test.files.exists(UNIT_PATH));
});

Deno.test("planInstall() refuses checkouts, hidden prefixes and units of others", () => {
  using test = new TestHost("program");
  assert.throws(() => test.install({ executable: null }), InstallError);
  for (const prefix of ["/home/me", "/tmp/x", "/root", "/var/tmp"]) {
    assert.throws(() => test.install({ prefix }), /no home and temporary directories/);
  }
  assert.throws(() => test.install({ unit: "[Service]\n" }), /has no ExecStart=/);
  test.host.addFile(UNIT_PATH, "[Service]\nExecStart=/bin/true\n");
  assert.throws(() => test.install(), /not written by shrike install/);
  assert.deepEqual(test.service.calls, []);
  assert.ok(!test.files.exists(EXECUTABLE_PATH));
});

Deno.test("runSteps() stops at the step that fails and says what was tried", () => {
  using test = new TestHost("program");
  test.service.failing = "start";
  assert.throws(() => test.install({ enable: true }), (error) => {
    assert.ok(error instanceof InstallError);
    assert.match(error.message, /^Cannot run "systemctl start shrike.service": exit code 1: Job/);
    assert.match(error.hint, /journalctl/);
    return true;
  });
  // The file in the way cannot be a directory.
  using other = new TestHost("program");
  other.host.addFile("/opt", "a file");
  assert.throws(() => other.install(), (error) => {
    assert.ok(error instanceof InstallError);
    assert.match(error.message, /^Cannot write "\/opt\/shrike\/bin\/shrike": /);
    return true;
  });
  assert.deepEqual(other.paths(), ["/opt"]);
});

Deno.test("planUninstall() takes all away that planInstall() has made", () => {
  using test = new TestHost("program");
  test.host.addFile("/etc/systemd/system/other.service", "");
  const before = test.paths();
  test.install({ enable: true });
  test.host.addFile("/var/lib/shrike/runtime/deno", "x");
  test.host.addFile("/run/shrike/last_run.json", "{}");
  test.service.calls.length = 0;
  test.uninstall();
  assert.deepEqual(test.service.calls, [
    "disable --now shrike.service",
    "daemon-reload",
    "reset-failed shrike.service",
  ]);
  const left = test.paths().filter((path) => !before.includes(path));
  assert.deepEqual(left, ["/opt", "/opt/shrike", "/opt/shrike/bin", "/run", "/var", "/var/lib"]);
  assert.deepEqual(test.uninstall(), ["nothing of shrike is installed"]);
});

Deno.test("planUninstall() keeps what was changed by hand, unless it is to be purged", () => {
  using test = new TestHost("program");
  test.install();
  const dropIn = `${UNIT_PATH}.d/memory.conf`;
  test.host.addFile(dropIn, "[Service]\n");
  test.host.addFile(DEFAULT_CONFIG_PATH, "output:\n  format: json\n");
  test.host.addFile("/etc/shrike/notes", "mine");
  const kept = "/var/lib/shrike/policies/keep-secrets.json";
  test.host.addFile(kept, "{}");
  const lines = test.uninstall();
  assert.equal(lines.filter((line) => line.includes("--purge removes it")).length, 3);
  assert.ok(test.files.exists(dropIn) && test.files.exists(DEFAULT_CONFIG_PATH));
  assert.ok(test.files.exists(kept));
  assert.ok(!test.files.exists(EXECUTABLE_PATH));
  test.uninstall({ purge: true });
  assert.ok(!test.files.exists(dropIn) && !test.files.exists(DEFAULT_CONFIG_PATH));
  assert.ok(!test.files.exists(kept));
  assert.ok(test.files.exists("/etc/shrike/notes"));
});

Deno.test("planUninstall() leaves programs and units that are not ours", () => {
  using test = new TestHost("program");
  test.host.addFile(EXECUTABLE_PATH, "another program");
  test.host.addFile(UNIT_PATH, "[Service]\nExecStart=/opt/shrike/bin/shrike run\n");
  const lines = test.uninstall({ purge: true });
  assert.equal(lines.length, 2);
  assert.ok(test.files.exists(EXECUTABLE_PATH) && test.files.exists(UNIT_PATH));
  assert.deepEqual(test.service.calls, []);
});

Deno.test("defaultConfigText() is a config of defaults, and stays one when it is uncommented", () => {
  const load = (text: string) =>
    loadConfig({
      flags: new Map(),
      environment: {},
      readFile: () => new TextEncoder().encode(text),
    }).config;
  const text = defaultConfigText();
  const { config: defaults } = loadConfig({
    flags: new Map(),
    environment: {},
    readFile: () => {
      throw Object.assign(new Error(), { code: "ENOENT" });
    },
  });
  assert.deepEqual(load(text), defaults);
  const uncommented = text.replace(/^ {2}# ([a-z_]+: [^<\n]+)$/gm, "  $1");
  assert.notEqual(uncommented, text);
  assert.deepEqual(load(uncommented), defaults);
  assert.ok(setsNothing(text));
  assert.ok(!setsNothing(uncommented));
  assert.ok(!setsNothing("output: { format: json }\n"));
});

Deno.test("adaptUnit() keeps the unit as it is but for paths and limits", () => {
  const settings = { executable: "/usr/local/bin/shrike", memoryMax: 768 * 1024 ** 2 };
  const lines = (text: string) => text.slice(text.indexOf("[Unit]")).split("\n");
  assert.deepEqual(lines(adaptUnit(UNIT, settings)), lines(UNIT));
  assert.equal(adaptUnit(adaptUnit(UNIT, settings), settings), adaptUnit(UNIT, settings));
});
