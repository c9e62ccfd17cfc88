/** More than the agent can take: everything is delivered, or a gap says how much is not. */
import assert from "node:assert/strict";
import { countGaps } from "./event_json.ts";
import { makeMark, RunningShrike, runTrue } from "./shrike_process.ts";

async function runStorm(mark: string, count: number, argument = ""): Promise<void> {
  const script = 'i=0; while [ $i -lt "$2" ]; do /bin/true "$1" $i "$3"; i=$((i+1)); done';
  const { code } = await new Deno.Command("/bin/sh", {
    args: ["-c", script, "storm", mark, String(count), argument],
  }).output();
  assert.equal(code, 0);
}

/** How many of the storm's programs have an exec and an exit. */
function countStorm(shrike: RunningShrike, mark: string): { execs: number; exits: number } {
  const isOurs = (argv: readonly string[] | undefined) =>
    argv?.[0] === "/bin/true" && argv[1] === mark;
  const { events } = shrike;
  return {
    execs: events.filter((event) => isOurs(event.process_exec?.process.argv)).length,
    exits: events.filter((event) => isOurs(event.process_exit?.process.argv)).length,
  };
}

Deno.test("shrike run loses nothing of 2,000 programs one after the other", async () => {
  await using shrike = await RunningShrike.start();
  const mark = makeMark("storm");
  await runStorm(mark, 2_000);
  assert.equal((await shrike.end("SIGTERM")).code, 0);
  assert.deepEqual([...countGaps(shrike.events)], []);
  assert.deepEqual(countStorm(shrike, mark), { execs: 2_000, exits: 2_000 });
});

Deno.test("shrike run says how much it lost while it could not run", async () => {
  await using shrike = await RunningShrike.start(["--ring-pages", "32"]);
  const mark = makeMark("flood");
  const count = 300;
  shrike.kill("SIGSTOP");
  // 300 records of 8 KiB are ten times what the smallest rings of two CPUs hold.
  await runStorm(mark, count, "x".repeat(8_192));
  shrike.kill("SIGCONT");
  // Losses are told on a timer; a record after them shows that the ring is read again.
  await shrike.seeCanary(runTrue);
  await shrike.waitFor((event) => event.gap !== undefined, "a gap");
  assert.equal((await shrike.end("SIGTERM")).code, 0);
  const { execs } = countStorm(shrike, mark);
  const missing = count - execs;
  const lost = [...countGaps(shrike.events)];
  const lostExecs = lost.filter(([kind]) => kind === "" || kind === "process_exec")
    .reduce((sum, [, number]) => sum + number, 0);
  assert(missing > 0, "nothing was lost: the test did not overload the agent");
  // Other programs of this machine may have been lost with them; the guest test counts exactly.
  assert(lostExecs >= missing, `${missing} missing, gaps speak of ${JSON.stringify(lost)}`);
});
