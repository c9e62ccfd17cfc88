/** Mistakes and missing rights: one line with the cause, one with the cure, and the exit code. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { runShrike, type ShrikeEnd, shrikePath } from "./shrike_process.ts";

/** As `shrike --help` lists them. */
const EXIT_USAGE = 2;
const EXIT_NOT_PERMITTED = 3;
const EXIT_NO_MEMORY = 5;

function assertReport(end: ShrikeEnd, code: number, cause: RegExp, hint: RegExp): void {
  const lines = end.stderr.trimEnd().split("\n");
  assert.equal(end.code, code, end.stderr);
  assert.equal(end.stdout, "");
  assert.equal(lines.length, 2, end.stderr);
  assert.match(lines[0]!, cause);
  assert.match(lines[1]!, hint);
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "shrike-e2e-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("shrike names the nearest right word for a mistake", async () => {
  assertReport(await runShrike(["rum"]), EXIT_USAGE, /rum/, /run/);
  assertReport(await runShrike(["run", "--duratoin", "1s"]), EXIT_USAGE, /duratoin/, /--duration/);
  assertReport(await runShrike(["run", "-o", "jsn"]), EXIT_USAGE, /jsn/, /json/);
  const filter = await runShrike(["run", "--filter", "binray=/bin/true"]);
  assertReport(filter, EXIT_USAGE, /binray/, /binary/);
});

Deno.test("shrike run names file, line and column of a mistake in the config file", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "shrike.yaml");
    await Deno.writeTextFile(path, "# ours\noutput:\n  formt: json\n");
    const end = await runShrike(["run", "--config", path]);
    assertReport(end, EXIT_USAGE, new RegExp(`${path}:3:3`), /format/);
  });
});

Deno.test("shrike run obeys only config files that nobody else may write, and waits for none", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "shrike.yaml");
    const run = (path: string) => runShrike(["run", "--config", path]);
    await Deno.writeTextFile(path, "output:\n  format: json\n");
    await Deno.chmod(path, 0o666);
    assertReport(await run(path), EXIT_USAGE, /others may write to it/, /chmod go-w/);
    await Deno.chmod(path, 0o644);
    await Deno.chmod(folder, 0o777);
    assertReport(await run(path), EXIT_USAGE, /may be changed by others/, /only root may change/);
    await Deno.chmod(folder, 0o700);
    const fifo = join(folder, "fifo");
    await new Deno.Command("mkfifo", { args: [fifo] }).output();
    for (const other of ["/dev/zero", fifo]) {
      assertReport(await run(other), EXIT_USAGE, /is not a regular file/, /put a file there/);
    }
  });
});

Deno.test("shrike run goes on without a control socket whose lock is a FIFO", async () => {
  await withFolder(async (folder) => {
    const socket = join(folder, "a.sock");
    await new Deno.Command("mkfifo", { args: [`${socket}.lock`] }).output();
    const args = ["run", "-o", "json", "--control-socket", socket, "--max-events", "1"];
    const { code, stderr } = await runShrike(args);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /a\.sock\.lock": it is not a regular file, continuing without control/);
  });
});

Deno.test("shrike run takes settings from file, environment and flags, the last wins", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "shrike.yaml");
    await Deno.writeTextFile(path, "agent:\n  node_name: from-file\noutput:\n  format: json\n");
    const nodes: string[] = [];
    const calls: [string[], Record<string, string>][] = [
      [[], {}],
      [[], { SHRIKE_NODE_NAME: "from-env" }],
      [["--node-name", "from-flag"], { SHRIKE_NODE_NAME: "from-env" }],
    ];
    for (const [flags, env] of calls) {
      const args = ["run", "--config", path, "--max-events", "1", ...flags];
      const { code, stdout, stderr } = await runShrike(args, { env });
      assert.equal(code, 0, stderr);
      nodes.push(JSON.parse(stdout).node_name);
    }
    assert.deepEqual(nodes, ["from-file", "from-env", "from-flag"]);
  });
});

Deno.test("shrike run says what a user without rights has to do", async () => {
  await withFolder(async (folder) => {
    // The checkout may be closed to others.
    const path = join(folder, "shrike");
    await Deno.copyFile(shrikePath(), path);
    await Deno.chmod(folder, 0o755);
    const nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    const run = (args: string[]) =>
      new Deno.Command("timeout", {
        args: ["-s", "KILL", "20", ...nobody, path, ...args],
        clearEnv: true,
        cwd: "/",
        stdin: "null",
      }).output();
    const { code, stdout, stderr } = await run(["run"]);
    const decoder = new TextDecoder();
    const end = {
      code,
      signal: null,
      stdout: decoder.decode(stdout),
      stderr: decoder.decode(stderr),
    };
    assertReport(end, EXIT_NOT_PERMITTED, /permi|root|CAP_BPF/i, /root|CAP_BPF|sudo/);
    // What needs no rights works without.
    assert.equal((await run(["version"])).code, 0);
    assert.equal((await run(["ps", "-o", "json"])).code, 0);
  });
});

Deno.test("shrike run refuses a limit of open files that it would run into", async () => {
  for (const limit of [40, 64, 90, 200]) {
    const wrapper = ["sh", "-c", `ulimit -n ${limit}; exec "$0" "$@"`];
    const end = await runShrike(["run", "--duration", "60s"], { wrapper });
    assertReport(
      end,
      EXIT_NO_MEMORY,
      /RLIMIT_NOFILE is "\d+", at least \d+ are needed/,
      /LimitNOFILE/,
    );
  }
});

Deno.test("shrike run opens as many files as the hard limit lets it", async () => {
  const wrapper = ["sh", "-c", 'ulimit -Sn 64; exec "$0" "$@"'];
  const end = await runShrike(["run", "-o", "json", "--max-events", "1"], { wrapper });
  assert.equal(end.code, 0, end.stderr);
});

Deno.test("shrike run and doctor say that sysfs is not mounted", async () => {
  const wrapper = ["unshare", "--mount", "sh", "-c", 'umount -l /sys && exec "$0" "$@"'];
  const end = await runShrike(["run", "--duration", "60s"], { wrapper });
  assertReport(end, 1, /"\/sys\/devices\/system\/cpu\/\w+"/, /mount sysfs/);
  const doctor = await runShrike(["doctor"], { wrapper });
  assert.match(doctor.stdout, /problem +sysfs +not mounted at \/sys/);
});
