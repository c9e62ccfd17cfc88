/** What `shrike run -o json` says about programs that this test runs. */
import assert from "node:assert/strict";
import { execWith, exitOf, type ProcessEventJson } from "./event_json.ts";
import { makeMark, RunningShrike } from "./shrike_process.ts";

async function runShell(script: string, ...args: string[]): Promise<number> {
  const { code } = await new Deno.Command("/bin/sh", { args: ["-c", script, "sh", ...args] })
    .output();
  return code;
}

async function findExec(shrike: RunningShrike, mark: string): Promise<ProcessEventJson> {
  const event = await shrike.waitFor(execWith(mark), `exec with ${mark}`);
  assert(event.process_exec !== undefined);
  return event.process_exec;
}

async function findExit(shrike: RunningShrike, exec: ProcessEventJson): Promise<ProcessEventJson> {
  const event = await shrike.waitFor(exitOf(exec), `exit of ${exec.process.exec_id}`);
  assert(event.process_exit !== undefined);
  return event.process_exit;
}

Deno.test("shrike run shows exec and exit of a program with its parent", async () => {
  await using shrike = await RunningShrike.start();
  const mark = makeMark("child");
  const child = new Deno.Command("/bin/sh", { args: ["-c", "exit 7", mark], cwd: "/usr" }).spawn();
  assert.equal((await child.status).code, 7);

  const exec = await findExec(shrike, mark);
  assert.equal(exec.process.pid, child.pid);
  assert.equal(exec.process.tid, child.pid);
  assert.equal(exec.process.uid, 0);
  assert.equal(exec.process.binary, "/bin/sh");
  assert.deepEqual(exec.process.argv, ["/bin/sh", "-c", "exit 7", mark]);
  assert.equal(exec.process.arguments, `-c "exit 7" ${mark}`);
  assert.equal(exec.process.cwd, "/usr");
  assert.equal(exec.parent?.pid, Deno.pid);
  assert.equal(exec.process.parent_exec_id, exec.parent?.exec_id);
  const [, , tgid] = atob(exec.process.exec_id).split(":");
  assert.equal(tgid, String(child.pid));

  const exit = await findExit(shrike, exec);
  assert.equal(exit.status, 7);
  assert.equal(exit.signal, undefined);
  assert.equal(exit.process.exec_id, exec.process.exec_id);
});

Deno.test("shrike run links a chain of programs by exec_id, in order", async () => {
  await using shrike = await RunningShrike.start();
  const [outer, image] = [makeMark("outer"), makeMark("image")];
  // The inner shell is a child of the outer one; then it becomes /bin/true in the same pid.
  const script = '/bin/sh -c \'exec /bin/true "$1"\' inner "$1"; exit 0';
  assert.equal(await runShell(script, image, outer), 0);

  const find = async (what: string, matches: (argv: readonly string[]) => boolean) => {
    const event = await shrike.waitFor(
      ({ process_exec: exec }) => exec?.process.argv !== undefined && matches(exec.process.argv),
      what,
    );
    assert(event.process_exec !== undefined);
    return event;
  };
  const outerExec = await find("outer shell", (argv) => argv.at(-1) === outer);
  const innerExec = await find("inner shell", (argv) => argv[3] === "inner" && argv[4] === image);
  const imageExec = await find("program", (argv) => argv[0] === "/bin/true" && argv[1] === image);
  const imageExit = await shrike.waitFor(exitOf(imageExec.process_exec!), "exit of the program");
  const outerExit = await shrike.waitFor(exitOf(outerExec.process_exec!), "exit of the shell");

  const [outerProcess, innerProcess, imageProcess] = [outerExec, innerExec, imageExec]
    .map((event) => event.process_exec!.process);
  assert.equal(innerProcess!.parent_exec_id, outerProcess!.exec_id);
  assert.equal(imageProcess!.pid, innerProcess!.pid);
  assert.equal(imageProcess!.parent_exec_id, innerProcess!.exec_id);
  assert.notEqual(imageProcess!.exec_id, innerProcess!.exec_id);
  const order = [outerExec, innerExec, imageExec, imageExit, outerExit]
    .map((event) => shrike.events.indexOf(event));
  assert.deepEqual(order, order.toSorted((a, b) => a - b));
});

Deno.test("shrike run names the signal that ended a program", async () => {
  await using shrike = await RunningShrike.start();
  const mark = makeMark("killed");
  assert.notEqual(await runShell('/bin/sh -c "kill -KILL \\$\\$" "$1"; exit 1', mark), 0);
  const inner = await shrike.waitFor(
    ({ process_exec: exec }) =>
      exec?.process.argv?.at(-1) === mark && exec.process.argv[2] === "kill -KILL $$",
    "exec of the inner shell",
  );
  const exit = await findExit(shrike, inner.process_exec!);
  assert.equal(exit.signal, "SIGKILL");
  assert.equal(exit.status, undefined);
});

Deno.test("shrike run keeps bytes that are not UTF-8", async () => {
  await using shrike = await RunningShrike.start();
  const mark = makeMark("bytes");
  await runShell('exec /bin/true "$1" "$(printf "a\\377b")"', mark);
  const exec = await shrike.waitFor(
    ({ process_exec: exec }) =>
      exec?.process.binary === "/bin/true" && exec.process.argv?.includes(mark) === true,
    "exec of true",
  );
  const { argv, raw } = exec.process_exec!.process;
  assert.deepEqual(argv, ["/bin/true", mark, "a\ufffdb"]);
  assert.deepEqual(raw?.argv, ["", "", btoa("a\xffb")]);
});

Deno.test("shrike run shows what ran before it once, with flag procFS", async () => {
  const mark = makeMark("before");
  using old = spawnSleeper(mark);
  await using shrike = await RunningShrike.start();
  const found = await shrike.waitFor(execWith(mark), "the old process");
  assert.equal(found.process_exec!.process.pid, old.pid);
  assert.match(found.process_exec!.process.flags, /\bprocFS\b/);
  old.kill();
  const exit = await findExit(shrike, found.process_exec!);
  assert.equal(exit.signal, "SIGKILL");
  const own = shrike.events.filter(({ process_exec: exec }) => exec?.process.pid === shrike.pid);
  assert.equal(new Set(own.map((event) => event.process_exec!.process.exec_id)).size, own.length);
});

function spawnSleeper(mark: string): { readonly pid: number; kill(): void } & Disposable {
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", "read line", mark],
    stdin: "piped",
    stdout: "null",
  }).spawn();
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It is gone already.
    }
  };
  return { pid: child.pid, kill, [Symbol.dispose]: kill };
}
