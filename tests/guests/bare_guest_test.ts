/**
 * The executable on hosts that have nothing but a kernel, glibc and busybox: in turns the oldest
 * and the newest kernel of the matrix. Nobody else runs there, so losses are counted to the last
 * record.
 */
import assert from "node:assert/strict";
import { fetchKernel, type KernelImage, listKernels } from "../../scripts/fetch_kernels.ts";
import { bootGuest } from "../matrix/boot_kernel.ts";
import { addBusybox, GuestTree } from "../matrix/guest_tree.ts";
import { waysOfTurn } from "../matrix/turn.ts";
import { countGaps, type EventJson, execWith, parseLines } from "../e2e/event_json.ts";
import { addShrike } from "../e2e/guest_shrike.ts";

const GUEST_TIMEOUT_MS = 600_000;

const FLOOD_COUNT = 300;
/** Rounds after the flood in which the agent comes back; each runs two programs. */
const AFTER_COUNT = 20;

const FILES = ["before", "after", "version.json", "events.jsonl", "flood.jsonl"]
  .map((name) => `/guest/${name}`);

// Programs are called by their paths: busybox's shell runs its own commands without exec.
const SCRIPT = `
list_files() {
  find / \\( -path /proc -o -path /sys -o -path /dev -o -path /guest \\) -prune -o -type f \\
    -exec ls -ld {} + | sort
}
wait_for() {
  n=0
  until grep -q "$1" "$2"; do n=$((n+1)); [ $n -lt 900 ] || return 1; sleep 0.1; done
}

list_files >/guest/before
shrike version -o json >/guest/version.json || exit 10

shrike run -o json --max-events 40 >/guest/events.jsonl &
agent=$!
n=0
while [ -d /proc/$agent ] && [ $n -lt 600 ]; do n=$((n+1)); /bin/true number $n; sleep 0.1; done
wait $agent || exit 11

long=$(head -c 8192 /dev/zero | tr '\\0' x)
shrike run -o json --ring-pages 32 >/guest/flood.jsonl &
agent=$!
wait_for procFS /guest/flood.jsonl || exit 12
/bin/true begin
wait_for '"begin"' /guest/flood.jsonl || exit 13
/bin/true flood
kill -STOP $agent
n=0
while [ $n -lt ${FLOOD_COUNT} ]; do n=$((n+1)); /bin/true storm $n $long; done
kill -CONT $agent
n=0
while [ $n -lt ${AFTER_COUNT} ]; do n=$((n+1)); /bin/true after; /bin/sleep 0.1; done
/bin/true end
wait_for '"end"' /guest/flood.jsonl || exit 14
kill -TERM $agent
wait $agent || exit 15

list_files >/guest/after
`;

const kernels = await listKernels();
for (const { name } of waysOfTurn([kernels[0]!, kernels.at(-1)!])) {
  Deno.test(`shrike runs on kernel ${name} with only glibc and busybox`, async (context) => {
    const kernel = await fetchKernel(name);
    const tree = new GuestTree();
    await addBusybox(tree);
    await addShrike(tree, "/bin/shrike");
    const result = await bootGuest({
      ...{ kernel, tree, command: SCRIPT, outputs: FILES, timeoutMs: GUEST_TIMEOUT_MS },
    });
    assert.equal(result.exitCode, 0, result.output);
    const read = (file: string) => new TextDecoder().decode(result.files.get(`/guest/${file}`));
    await context.step("version names the kernel", () => assertVersion(read, kernel));
    await context.step("events are whole", () => assertEvents(parseLines(read("events.jsonl"))));
    await context.step(
      "gaps account for every program that is missing",
      () => assertFlood(parseLines(read("flood.jsonl"))),
    );
    await context.step("no file is left behind", () => {
      assert(read("before").includes("/bin/shrike"));
      assert.equal(read("after"), read("before"));
    });
  });
}

function assertVersion(read: (file: string) => string, kernel: KernelImage): void {
  assert.equal(JSON.parse(read("version.json")).kernel, kernel.release);
}

function assertEvents(events: readonly EventJson[]): void {
  assert.equal(events.filter((event) => event.gap === undefined).length, 40);
  const numbered = events.filter(execWith("number")).map((event) => event.process_exec!);
  assert(numbered.length > 0, "none of the programs was seen");
  for (const exec of numbered) {
    assert.equal(exec.process.binary, "/bin/true");
    // Found in /proc at start, so it is the file that runs, not the name it was called by.
    assert.equal(exec.parent?.binary, "/bin/busybox");
  }
  const numbers = numbered.map((exec) => Number(exec.process.argv?.[2]));
  assert.deepEqual(numbers, numbers.map((_, index) => numbers[0]! + index));
}

function assertFlood(events: readonly EventJson[]): void {
  const from = events.findIndex(execWith("flood"));
  const to = events.findIndex(execWith("end"));
  assert(from >= 0 && to > from, `flood at ${from}, end at ${to}`);
  const seen = events.slice(from + 1, to).filter((event) => event.process_exec !== undefined);
  const gaps = countGaps(events);
  const lost = gaps.get("process_exec") ?? 0;
  assert(lost > 0, "nothing was lost: the test did not overload the agent");
  assert.equal(seen.length + lost, FLOOD_COUNT + 2 * AFTER_COUNT, JSON.stringify([...gaps]));
}
