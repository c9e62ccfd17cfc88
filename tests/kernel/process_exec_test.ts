/** What an exec record says about odd programs: long, deleted, in memory, scripts, setuid, deep. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import type { ProcessExecuted } from "../../src/events/mod.ts";
import { type Recording, SensorRecorder, single } from "../support/expect_event.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();
const texts = (list: readonly { readonly text: string }[]) => list.map(({ text }) => text);

/** The image that the workload became. */
function lastExec(run: Recording): ProcessExecuted {
  const exec = run.execs.at(-1);
  strictEqual(run.code, 0);
  if (exec === undefined) throw new Error("The workload did not exec");
  return exec;
}

/** A directory that is removed with all in it. */
function temporaryDirectory(): Disposable & { readonly path: string } {
  const path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "shrike-test." }));
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

kernelTest({
  name: "process sensor gives 32 KiB of arguments whole and flags longer ones",
  async run() {
    using recorder = SensorRecorder.shared();
    for (const size of [32_767, 32_768]) {
      const exec = lastExec(await recorder.record(program, ["long-args", String(size)]));
      const bytes = exec.argv.reduce((sum, { text }) => sum + text.length + 1, 0);
      strictEqual(bytes, size);
      strictEqual(exec.problems.argumentsCut, false);
    }
    for (const size of [32_769, 100_000]) {
      const exec = lastExec(await recorder.record(program, ["long-args", String(size)]));
      strictEqual(exec.problems.argumentsCut, true);
      strictEqual(exec.problems.argumentsFailed, false);
      // The cut argument has lost its NUL and what came before it.
      const bytes = exec.argv.reduce((sum, { text }) => sum + text.length + 1, -1);
      strictEqual(bytes, 32_768);
      match(exec.argv.at(-1)?.text ?? "", /^x+$/);
    }
    strictEqual(recorder.lost, 0);
  },
});

kernelTest({
  name: "process sensor keeps names and arguments that are not UTF-8",
  async run() {
    using recorder = SensorRecorder.shared();
    using directory = temporaryDirectory();
    const exec = lastExec(await recorder.record(program, ["odd-names", directory.path]));
    strictEqual(exec.filename.text, "./p\ufffd");
    deepStrictEqual(exec.filename.raw, new Uint8Array([0x2e, 0x2f, 0x70, 0xc3]));
    strictEqual(exec.cwd.text, `${directory.path}/d\ufffd`);
    deepStrictEqual(exec.cwd.raw?.slice(-2), new Uint8Array([0x64, 0xff]));
    strictEqual(exec.exe?.path.text, `${directory.path}/d\ufffd/p\ufffd`);
    deepStrictEqual(texts(exec.argv), ["p\ufffd", "exit", "0", "\ufffd\ufffd", "\u20ac", ""]);
    deepStrictEqual(exec.argv[3]?.raw, new Uint8Array([0xff, 0xfe]));
    strictEqual(exec.argv[4]?.raw, undefined);
  },
});

kernelTest({
  name: "process sensor says that the executable was deleted",
  async run() {
    using recorder = SensorRecorder.shared();
    using directory = temporaryDirectory();
    const path = join(directory.path, "gone");
    const exec = lastExec(await recorder.record(program, ["deleted", path]));
    strictEqual(exec.exe?.deleted, true);
    strictEqual(exec.exe.memfd, false);
    strictEqual(exec.exe.links, 0);
    strictEqual(exec.exe.path.text, path);
    match(exec.filename.text, /^\/(dev|proc\/self)\/fd\/\d+$/);
  },
});

kernelTest({
  name: "process sensor knows a memfd by its file, not by its name",
  async run() {
    using recorder = SensorRecorder.shared();
    const exec = lastExec(await recorder.record(program, ["memfd", "payload"]));
    strictEqual(exec.exe?.memfd, true);
    strictEqual(exec.exe.deleted, true);
    strictEqual(exec.exe.path.text, "/memfd:payload");
    using directory = temporaryDirectory();
    const lookalike = join(directory.path, "memfd:payload");
    Deno.copyFileSync(program, lookalike);
    Deno.chmodSync(lookalike, 0o755);
    const other = lastExec(await recorder.record(lookalike, ["exit"]));
    strictEqual(other.exe?.memfd, false);
    strictEqual(other.exe.deleted, false);
  },
});

kernelTest({
  name: "process sensor gives script and interpreter of a #! file",
  async run() {
    using recorder = SensorRecorder.shared();
    using directory = temporaryDirectory();
    const script = join(directory.path, "script");
    Deno.writeTextFileSync(script, `#!${program} exit\n`);
    Deno.chmodSync(script, 0o755);
    const exec = lastExec(await recorder.record(script, ["0"]));
    strictEqual(exec.filename.text, script);
    strictEqual(exec.interpreter?.text, program);
    strictEqual(exec.exe?.path.text, Deno.realPathSync(program));
    deepStrictEqual(texts(exec.argv), [program, "exit", script, "0"]);
  },
});

kernelTest({
  name: "process sensor shows who a setuid program runs as, and that it was raised",
  async run() {
    using recorder = SensorRecorder.shared();
    using directory = temporaryDirectory();
    Deno.chmodSync(directory.path, 0o755);
    const path = join(directory.path, "setuid");
    Deno.copyFileSync(program, path);
    Deno.chmodSync(path, 0o4755);
    const exec = lastExec(await recorder.record(path, ["exit"], { uid: 65534, gid: 65534 }));
    strictEqual(exec.secureExec, true);
    deepStrictEqual(exec.gained, { euid: true, egid: false, capabilities: true });
    strictEqual(exec.credentials.uid, 65534);
    strictEqual(exec.credentials.euid, 0);
    strictEqual(exec.credentials.suid, 0);
    strictEqual(exec.credentials.egid, 65534);
    strictEqual(exec.exe?.mode, Deno.statSync(path).mode);
  },
});

kernelTest({
  name: "process sensor says that root gains nothing by a setuid program, nor anybody by another",
  async run() {
    using recorder = SensorRecorder.shared();
    using directory = temporaryDirectory();
    Deno.chmodSync(directory.path, 0o755);
    const path = join(directory.path, "setuid");
    Deno.copyFileSync(program, path);
    Deno.chmodSync(path, 0o4755);
    const nothing = { euid: false, egid: false, capabilities: false };
    deepStrictEqual(lastExec(await recorder.record(path, ["exit"])).gained, nothing);
    Deno.chmodSync(path, 0o755);
    const user = { uid: 65534, gid: 65534 };
    deepStrictEqual(lastExec(await recorder.record(path, ["exit"], user)).gained, nothing);
  },
});

kernelTest({
  name: "process sensor gives paths of 4 KiB whole and flags longer ones",
  async run() {
    using recorder = SensorRecorder.shared();
    for (
      const { name, count } of [{ name: "d", count: 1900 }, { name: "n".repeat(255), count: 15 }]
    ) {
      using directory = temporaryDirectory();
      const args = ["deep-cwd", directory.path, name, String(count)];
      const exec = lastExec(await recorder.record(program, args));
      strictEqual(exec.problems.cwdCut, false);
      strictEqual(exec.cwd.text, directory.path + `/${name}`.repeat(count));
    }
    using directory = temporaryDirectory();
    const exec = lastExec(
      await recorder.record(program, ["deep-cwd", directory.path, "d", "2500"]),
    );
    strictEqual(exec.problems.cwdCut, true);
    match(exec.cwd.text, /^d(\/d)*$/);
    ok(exec.cwd.text.length > 4000 && exec.cwd.text.length < 4096);
  },
});

kernelTest({
  name: "process sensor says when the working directory is outside the root",
  async run() {
    using recorder = SensorRecorder.shared();
    using root = temporaryDirectory();
    const options = { cwd: "/proc/self" };
    const exec = lastExec(await recorder.record(program, ["outside-root", root.path], options));
    match(exec.cwd.text, /^\(unreachable\)\/proc\/\d+$/);
  },
});

kernelTest({
  name: "process sensor gives relative file names as they were given",
  async run() {
    using recorder = SensorRecorder.shared();
    const args = ["exec", "./../proc/self/exe", "again", "exit"];
    const exec = lastExec(await recorder.record(program, args, { cwd: "/sys" }));
    strictEqual(exec.filename.text, "./../proc/self/exe");
    strictEqual(exec.cwd.text, "/sys");
    strictEqual(exec.exe?.path.text, Deno.realPathSync(program));
    const atRoot = single((await recorder.record(program, ["exit"], { cwd: "/" })).execs);
    strictEqual(atRoot.cwd.text, "/");
  },
});
