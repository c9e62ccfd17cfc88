import assert from "node:assert/strict";
import { eventually } from "../tests/support/eventually.ts";
import { LoggedLines } from "../tests/support/logged_lines.ts";
import { FileWatch, type FileWatchParts } from "./agent_file_watch.ts";
import { Counters } from "./telemetry/mod.ts";

class Situation implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "shrike-watch-" });
  readonly log = new LoggedLines();
  readonly counters = new Counters();
  calls = 0;
  readonly #watch: FileWatch;

  constructor(parts: (folder: string) => Partial<FileWatchParts>) {
    const { log, counters } = this;
    this.#watch = new FileWatch({
      ...{ directories: [], files: [], quietMs: 10, pollMs: 600_000, log, counters },
      onChange: () => void this.calls++,
      ...parts(this.folder),
    });
  }

  close(): void {
    this.#watch[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("FileWatch tells of its files once for several changes, not of others", async () => {
  using test = new Situation((folder) => ({ files: [`${folder}/ours`], quietMs: 150 }));
  Deno.writeTextFileSync(`${test.folder}/other`, "");
  for (let i = 0; i < 20; i++) Deno.writeTextFileSync(`${test.folder}/ours`, String(i));
  await eventually(() => test.calls > 0, "it tells");
  assert.equal(test.calls, 1);
  Deno.renameSync(`${test.folder}/other`, `${test.folder}/ours`);
  await eventually(() => test.calls === 2, "it tells of another file in the place");
});

Deno.test("FileWatch tells of directories that are made anew", async () => {
  using test = new Situation((folder) => {
    Deno.mkdirSync(`${folder}/d`);
    return { directories: [`${folder}/d`], pollMs: 30 };
  });
  Deno.renameSync(`${test.folder}/d`, `${test.folder}/away`);
  await eventually(() => test.calls > 0, "it tells that it is gone");
  Deno.mkdirSync(`${test.folder}/d`);
  const calls = test.calls;
  await eventually(() => test.calls > calls, "it looks again by the clock");
  const before = test.calls;
  Deno.writeTextFileSync(`${test.folder}/d/new`, "");
  await eventually(() => test.calls > before, "it tells of what is in it");
  assert.deepEqual(test.log.lines, []);
});

Deno.test("FileWatch goes by the clock where inotify cannot be had, and says so once", async () => {
  const watchFs = () => {
    throw new Error("no space left on device");
  };
  using test = new Situation((folder) => ({ directories: [folder], pollMs: 10, watchFs }));
  await eventually(() => test.calls > 3, "it calls by the clock");
  assert.equal(test.log.lines.length, 1);
  assert.match(test.log.lines[0]!, /^warn .* looking every 10 ms; raise fs\.inotify/);
  assert.ok(test.counters.total("shrike_policy_watch_failures_total") > 3);
  test.close();
  test.close();
});
