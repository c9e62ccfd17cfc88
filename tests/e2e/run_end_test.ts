/** How `shrike run` comes to its end. */
import assert from "node:assert/strict";
import { parseLines } from "./event_json.ts";
import { makeMark, RunningShrike, runShrike, runTrue, shrikePath } from "./shrike_process.ts";

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`shrike run ends on ${signal} with a summary and exit code 0`, async () => {
    await using shrike = await RunningShrike.start(["--summary"]);
    const { code, stderr } = await shrike.end(signal);
    assert.equal(code, 0, stderr);
    for (const word of [/events/, /lost/, /CPU/i, /memory|MiB|MB/]) assert.match(stderr, word);
  });
}

Deno.test("shrike run writes no summary when nobody reads stderr on a terminal", async () => {
  await using shrike = await RunningShrike.start();
  assert.equal((await shrike.end("SIGTERM")).stderr, "");
});

Deno.test("shrike run delivers what happened just before the signal", async () => {
  await using shrike = await RunningShrike.start();
  const marks = Array.from({ length: 20 }, (_, index) => makeMark(`last-${index}`));
  for (const mark of marks) await runTrue(mark);
  assert.equal((await shrike.end("SIGTERM")).code, 0);
  const seen = new Set(shrike.events.map(({ process_exec: exec }) => exec?.process.argv?.[1]));
  assert.deepEqual(marks.filter((mark) => !seen.has(mark)), []);
});

Deno.test("shrike run --duration ends by itself", async () => {
  const { code, stdout, stderr } = await runShrike(["run", "-o", "json", "--duration", "700ms"]);
  assert.equal(code, 0, stderr);
  assert(parseLines(stdout).length > 0);
});

Deno.test("shrike run --max-events writes that many events and ends", async () => {
  const { code, stdout, stderr } = await runShrike(["run", "-o", "json", "--max-events", "5"]);
  assert.equal(code, 0, stderr);
  assert.equal(parseLines(stdout).filter((event) => event.gap === undefined).length, 5);
});

Deno.test("shrike run ends when the reader of its output has gone", async () => {
  // The code of a pipe is head's, so the shell writes the agent's into a descriptor of its own.
  const script = '{ "$1" run -o json; echo "code $?" >&3; } 3>&2 | head -n 1';
  const canary = setInterval(() => runTrue("canary"), 100);
  try {
    const command = new Deno.Command("timeout", {
      args: ["-s", "KILL", "20", "/bin/sh", "-c", script, "sh", shrikePath()],
    });
    const { code, stdout, stderr } = await command.output();
    assert.equal(code, 0);
    assert.equal(parseLines(new TextDecoder().decode(stdout)).length, 1);
    assert.equal(new TextDecoder().decode(stderr), "code 6\n");
  } finally {
    clearInterval(canary);
  }
});
