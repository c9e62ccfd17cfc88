import assert from "node:assert/strict";
import { type LastRun, LastRunError, LastRunFile } from "./last_run_file.ts";

const RUN: LastRun = {
  bootId: "0d1c2b3a-4f5e-6d7c-8b9a-0f1e2d3c4b5a",
  isClean: true,
  boottimeNs: 12_345_678_901_234_567n,
  forks: 4711,
  version: "0.1.0",
  wallNs: 1_700_000_000_123_000_000n,
};

/** A state directory that is removed on dispose. */
class StateDirectory implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "shrike-state-" });
  readonly file = `${this.path}/last_run.json`;

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

Deno.test("LastRunFile gives back what another run has written, and nothing else is left", () => {
  using directory = new StateDirectory();
  {
    using file = new LastRunFile(directory.path);
    assert.equal(file.read(), undefined);
    file.write({ ...RUN, isClean: false });
    file.write(RUN);
  }
  using file = new LastRunFile(directory.path);
  assert.deepEqual(file.read(), RUN);
  const { forks: _, ...withoutForks } = RUN;
  file.write(withoutForks);
  assert.deepEqual(file.read(), withoutForks);
  assert.deepEqual([...Deno.readDirSync(directory.path)].map(({ name }) => name), [
    "last_run.json",
  ]);
  assert.equal(Deno.statSync(directory.file).mode! & 0o777, 0o600);
});

Deno.test("LastRunFile is one run's at a time", () => {
  using directory = new StateDirectory();
  const first = new LastRunFile(directory.path);
  assert.throws(() => new LastRunFile(directory.path), (error) => {
    assert.ok(error instanceof LastRunError);
    assert.match(error.message, /: another run uses it$/);
    return true;
  });
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  new LastRunFile(directory.path)[Symbol.dispose]();
});

for (
  const [what, text] of [
    ["nothing", ""],
    ["a cut file", JSON.stringify({ boot_id: RUN.bootId }).slice(0, 20)],
    ["another form", "[]"],
    ["null", "null"],
    ["bytes", "\0\x01\xff"],
    ["a negative count", written({ forks: -1 })],
    ["a count that is no number", written({ forks: "4" })],
    ["a time that is no number", written({ boottime_ns: "soon" })],
    ["a boot of another form", written({ boot_id: "../../etc/passwd" })],
    ["a version with controls", written({ version: "\x1b[2J" })],
    ["no word of its end", written({ clean: undefined })],
    ["no time", written({ time: "yesterday" })],
    ["too much", written({ version: "1".repeat(5000) })],
  ] as const
) {
  Deno.test(`LastRunFile.read() refuses ${what} and the next write replaces it`, () => {
    using directory = new StateDirectory();
    Deno.writeTextFileSync(directory.file, text);
    using file = new LastRunFile(directory.path);
    assert.throws(() => file.read(), LastRunError);
    file.write(RUN);
    assert.deepEqual(file.read(), RUN);
  });
}

/** What a run writes, but for some fields. */
function written(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    ...{ boot_id: RUN.bootId, clean: true, boottime_ns: "1", forks: 1, version: "0.1.0" },
    ...{ time: "2026-01-01T00:00:00.000Z", ...fields },
  });
}

Deno.test("LastRunFile.read() takes fields of later versions", () => {
  using directory = new StateDirectory();
  Deno.writeTextFileSync(directory.file, written({ colour: "blue" }));
  using file = new LastRunFile(directory.path);
  assert.equal(file.read()?.forks, 1);
});

Deno.test("LastRunFile follows no links and changes nothing behind them", () => {
  using directory = new StateDirectory();
  using elsewhere = new StateDirectory();
  const target = `${elsewhere.path}/precious`;
  Deno.writeTextFileSync(target, written({}));
  Deno.symlinkSync(target, directory.file);
  Deno.symlinkSync(target, `${directory.file}.new`);
  using file = new LastRunFile(directory.path);
  assert.throws(() => file.read(), { message: /: it is not a file$/ });
  file.write(RUN);
  assert.deepEqual(file.read(), RUN);
  assert.equal(Deno.readTextFileSync(target), written({}));
});

Deno.test("LastRunFile refuses directories that others may change", () => {
  using directory = new StateDirectory();
  using elsewhere = new StateDirectory();
  const link = `${elsewhere.path}/link`;
  Deno.symlinkSync(directory.path, link);
  Deno.writeTextFileSync(directory.file, "");
  for (
    const [path, state] of [
      [link, /: it is not a directory$/],
      [directory.file, /: it is not a directory$/],
      [`${directory.path}/none`, /: No such file/],
    ] as const
  ) {
    assert.throws(() => new LastRunFile(path), { name: "LastRunError", message: state });
  }
  Deno.chmodSync(directory.path, 0o770);
  assert.throws(() => new LastRunFile(directory.path), { message: /: others may write to it$/ });
  Deno.chmodSync(directory.path, 0o700);
  if (Deno.uid() === 0) {
    Deno.chownSync(directory.path, 65_534, 65_534);
    assert.throws(() => new LastRunFile(directory.path), { message: /belongs to uid 65534$/ });
  }
});

Deno.test("LastRunFile.write() says what stands in the way and keeps what was there", () => {
  using directory = new StateDirectory();
  using file = new LastRunFile(directory.path);
  file.write(RUN);
  Deno.mkdirSync(`${directory.file}.new/x`, { recursive: true });
  assert.throws(() => file.write({ ...RUN, forks: 1 }), LastRunError);
  assert.deepEqual(file.read(), RUN);
});
