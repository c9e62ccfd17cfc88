/** The executable as a file: the ways it starts, what it does not let in, and damage. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { runShrike, type ShrikeEnd, type ShrikeOptions, shrikePath } from "./shrike_process.ts";

const FORM = await readForm();
/** `deno compile` has another runtime, with no launcher in front. */
const ignore = FORM !== "launcher";
if (ignore) console.error(`skip: the tests of the launcher: the executable is ${FORM}`);

async function readForm(): Promise<string> {
  const { stdout } = await runShrike(["version", "-o", "json"]);
  return (JSON.parse(stdout) as { form: string }).form;
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `launcher ${name}`, ignore, fn });
}

async function startedBy(options: ShrikeOptions): Promise<string> {
  const end = await runShrike(["version", "-o", "json"], options);
  assert.equal(end.code, 0, end.stderr);
  return (JSON.parse(end.stdout) as { start: string }).start;
}

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "shrike-e2e-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs the executable with `folder` in the place of /var/lib, for it alone. */
function withState(folder: string, env: Readonly<Record<string, string>> = {}): ShrikeOptions {
  const script = 'mount --bind "$0" /var/lib && exec "$@"';
  return { env, wrapper: ["unshare", "--mount", "sh", "-c", script, folder] };
}

async function runCommand(program: string, args: readonly string[]): Promise<ShrikeEnd> {
  const { code, signal, stdout, stderr } = await new Deno.Command(program, { args: [...args] })
    .output();
  const decoder = new TextDecoder();
  return { code, signal, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

function assertRefused(end: ShrikeEnd, pattern: RegExp): void {
  assert.notEqual(end.code, 0);
  assert.equal(end.stdout, "");
  assert.match(end.stderr, pattern);
  assert.match(end.stderr, /^shrike: .*\nhint: .*\n$/, "one line and a hint");
}

test("maps Deno on x86-64 and leaves the cache alone", async () => {
  await withFolder(async (folder) => {
    const expected = Deno.build.arch === "x86_64" ? "map" : "cache";
    assert.equal(await startedBy(withState(folder)), expected);
    if (expected === "map") assert.deepEqual([...Deno.readDirSync(folder)], []);
  });
});

test("starts from memory when told so", async () => {
  await withFolder(async (folder) => {
    assert.equal(await startedBy(withState(folder, { SHRIKE__START: "memfd" })), "memfd");
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  });
});

test("keeps a runtime in a cache that only root can enter, and trusts none that differs", () =>
  withFolder(async (folder) => {
    const options = withState(folder, { SHRIKE__START: "cache" });
    assert.equal(await startedBy(options), "cache");
    const cache = join(folder, "shrike/runtime");
    assert.equal(Deno.statSync(cache).mode! & 0o777, 0o700);
    const [entry, ...others] = [...Deno.readDirSync(cache)];
    assert.deepEqual(others, []);
    assert.match(entry!.name, /^shrike-[0-9a-f]{64}$/);
    const file = join(cache, entry!.name);
    const { ino, mode, size } = Deno.statSync(file);
    assert.equal(mode! & 0o7777, 0o500);
    assert.equal(await startedBy(options), "cache");
    assert.equal(Deno.statSync(file).ino, ino, "the second start writes nothing");
    {
      using opened = Deno.openSync(file, { write: true });
      opened.seekSync(size - 1, Deno.SeekMode.Start);
      opened.writeSync(new Uint8Array([0xff]));
    }
    assert.equal(await startedBy(options), "cache");
    assert.notEqual(Deno.statSync(file).ino, ino, "a changed file is replaced");
  }));

test("refuses a cache that others can enter", () =>
  withFolder(async (folder) => {
    Deno.mkdirSync(join(folder, "shrike/runtime"), { recursive: true, mode: 0o755 });
    const end = await runShrike(["version"], withState(folder, { SHRIKE__START: "cache" }));
    assert.notEqual(end.code, 0);
    assert.match(end.stderr, /"cache": Cannot use folder "\/var\/lib\/shrike\/runtime"/);
  }));

test("does not know other ways", async () => {
  const end = await runShrike(["version"], { env: { SHRIKE__START: "teleport" } });
  assertRefused(end, /way "teleport"/);
});

test("keeps the user's Deno and npm set-up out", () =>
  withFolder(async (folder) => {
    Deno.writeTextFileSync(join(folder, ".npmrc"), "[not = valid");
    Deno.writeTextFileSync(join(folder, "deno.json"), "not json");
    Deno.writeTextFileSync(join(folder, "package.json"), "not json");
    const end = await runShrike(["version"], {
      cwd: folder,
      env: {
        HOME: folder,
        DENO_DIR: join(folder, "deno"),
        DENO_V8_FLAGS: "--nonsense",
        NODE_OPTIONS: "--require=/nonsense",
        SHRIKE__BOOT: "map:0:0",
      },
    });
    assert.equal(end.code, 0, end.stderr);
    assert.equal(end.stderr, "");
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assert.deepEqual(names, [".npmrc", "deno.json", "package.json"]);
  }));

/** Starts the executable with redirections of the shell, such as `<&-`. */
function redirected(redirections: string): ShrikeOptions {
  return { wrapper: ["sh", "-c", `exec "$0" "$@" ${redirections}`] };
}

test("starts with stdin and stderr closed", async () => {
  const { code, stdout } = await runShrike(["version"], redirected("<&- 2>&-"));
  assert.equal(code, 0);
  assert.match(stdout, /form +launcher/);
});

test("fails when stdout is closed, and no file of its own takes the place", async () => {
  for (const args of [["version"], ["run", "-o", "json", "--duration", "60s"]]) {
    const end = await runShrike(args, redirected(">&-"));
    assert.equal(end.code, 1, end.stderr);
    assert.match(end.stderr, /^shrike: Cannot write to "stdout": it is closed\nhint: .*\n$/);
    const silent = await runShrike(args, redirected("<&- >&- 2>&-"));
    assert.deepEqual([silent.code, silent.stdout, silent.stderr], [1, "", ""]);
  }
});

test("refuses a file that is cut short, longer or changed", () =>
  withFolder(async (folder) => {
    const copy = join(folder, "shrike");
    const { size } = Deno.statSync(shrikePath());
    const damages: [(file: Deno.FsFile) => void, RegExp][] = [
      [(file) => file.truncateSync(size - 4096), /damaged, its end is missing/],
      [(file) => file.truncateSync(size + 1), /damaged, its end is missing/],
      [(file) => {
        file.seekSync(size - 5000, Deno.SeekMode.Start);
        file.writeSync(new Uint8Array([0, 1, 2, 3]));
      }, /damaged, its checksum is wrong/],
    ];
    for (const [damage, pattern] of damages) {
      Deno.copyFileSync(shrikePath(), copy);
      {
        using file = Deno.openSync(copy, { read: true, write: true });
        damage(file);
      }
      assertRefused(await runCommand(copy, ["version"]), pattern);
      Deno.removeSync(copy);
    }
  }));

test("says what is missing without /proc", () =>
  withFolder(async (folder) => {
    Deno.copyFileSync(shrikePath(), join(folder, "shrike"));
    assertRefused(await runCommand("chroot", [folder, "/shrike"]), /"\/proc\/self\/exe"/);
  }));
