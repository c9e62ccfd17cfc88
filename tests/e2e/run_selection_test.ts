/** Which events `shrike run` shows when it is told to choose. */
import assert from "node:assert/strict";
import { execWith } from "./event_json.ts";
import { makeMark, RunningShrike, runTrue } from "./shrike_process.ts";

/** A shell that runs `true` with each line it is given. */
class Shell implements AsyncDisposable {
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;

  constructor() {
    this.#child = new Deno.Command("/bin/sh", {
      args: ["-c", 'while read line; do /bin/sh -c \'/bin/true "$1"; exit 0\' sh "$line"; done'],
      stdin: "piped",
      stdout: "null",
    }).spawn();
    this.pid = this.#child.pid;
    this.#stdin = this.#child.stdin.getWriter();
  }

  async runTrue(argument: string): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(`${argument}\n`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stdin.close();
    await this.#child.status;
  }
}

function marksOf(shrike: RunningShrike, prefix: string): Set<string | undefined> {
  const execs = shrike.events.map(({ process_exec: exec }) => exec?.process);
  return new Set(
    execs.filter((process) => process?.binary === "/bin/true")
      .map((process) => process?.argv?.[1]).filter((mark) => mark?.startsWith(prefix)),
  );
}

Deno.test("shrike run --pid shows a process with its descendants and nothing else", async () => {
  await using shell = new Shell();
  await using shrike = RunningShrike.spawn(["--pid", String(shell.pid)]);
  await shrike.seeCanary((argument) => shell.runTrue(argument));
  const [inside, outside, last] = [
    makeMark("tree-in"),
    makeMark("tree-out"),
    makeMark("tree-last"),
  ];
  await runTrue(outside);
  await shell.runTrue(inside);
  await shell.runTrue(last);
  await shrike.waitFor(
    (event) => execWith(last)(event) && event.process_exec?.process.binary === "/bin/true",
    "the last program of the tree",
  );
  assert.deepEqual(marksOf(shrike, "tree-"), new Set([inside, last]));
});

Deno.test("shrike run --filter shows events that match every filter", async () => {
  await using shrike = await RunningShrike.start([
    ...["--filter", "event=exec", "--filter", "binary=/bin/true,/bin/false"],
    ...["--filter", "args~canary|pick-", "--filter", "uid=0"],
  ]);
  const [picked, other, last] = [makeMark("pick-1"), makeMark("leave"), makeMark("pick-2")];
  await runTrue(picked);
  await runTrue(other);
  await new Deno.Command("/bin/sh", { args: ["-c", "exit 0", picked] }).output();
  const asNobody = ["--reuid", "65534", "--clear-groups", "/bin/true", makeMark("pick-nobody")];
  await new Deno.Command("setpriv", { args: asNobody }).output();
  await runTrue(last);
  await shrike.waitFor(execWith(last), "the last program");
  await shrike.end("SIGTERM");
  assert.deepEqual(marksOf(shrike, "pick-"), new Set([picked, last]));
  for (const event of shrike.events) {
    assert.equal(event.process_exec?.process.binary, "/bin/true", JSON.stringify(event));
  }
});

Deno.test("shrike run --existing=false leaves out what ran before it", async () => {
  await using shrike = await RunningShrike.start(["--existing=false"]);
  await shrike.end("SIGTERM");
  const old = shrike.events.filter((event) =>
    /procFS/.test(event.process_exec?.process.flags ?? "")
  );
  assert.deepEqual(old, []);
});

Deno.test("two agents at once see the same programs", async () => {
  await using first = await RunningShrike.start();
  await using second = await RunningShrike.start();
  const mark = makeMark("both");
  await runTrue(mark);
  const [one, other] = await Promise.all([
    first.waitFor(execWith(mark), "the program, by the first agent"),
    second.waitFor(execWith(mark), "the program, by the second agent"),
  ]);
  assert.equal(one.process_exec?.process.pid, other.process_exec?.process.pid);
  assert.equal((await first.end("SIGTERM")).code, 0);
  const after = makeMark("after");
  await runTrue(after);
  await second.waitFor(execWith(after), "a program after the first agent's end");
});
