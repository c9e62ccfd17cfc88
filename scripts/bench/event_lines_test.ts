import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";

import { countStorm, isExitOf, parseStamps, parseTime, timeExecs } from "./event_lines.ts";

const CHILD = "/bench/child";
const TIME = "2026-01-02T03:04:05.000000006Z";

function line(type: "process_exec" | "process_exit", id: string, parentPid: number, more = {}) {
  const process = { exec_id: id, pid: 100, binary: CHILD, ...more };
  return JSON.stringify({
    [type]: { process, parent: { exec_id: "p", pid: parentPid } },
    time: TIME,
  });
}

Deno.test("countStorm() counts each exec and exit once and adds up gaps", () => {
  const lines = [
    line("process_exec", "a", 7),
    line("process_exec", "b", 7),
    line("process_exec", "b", 7),
    line("process_exit", "a", 7),
    line("process_exec", "other", 8),
    line("process_exec", "elsewhere", 7, { binary: "/bin/true" }),
    JSON.stringify({ gap: { cause: "perf_ring_full", count: 12 }, time: TIME }),
  ];
  deepStrictEqual(countStorm(lines, 7, CHILD), { execs: 2, exits: 1, doubled: 1, lost: 12 });
});

Deno.test("isExitOf() knows the exit of the storm's own child", () => {
  strictEqual(isExitOf(line("process_exit", "a", 7), 7, CHILD), true);
  strictEqual(isExitOf(line("process_exit", "a", 8), 7, CHILD), false);
  strictEqual(isExitOf(line("process_exec", "a", 7), 7, CHILD), false);
});

Deno.test("timeExecs() gives a line the stamp of the piece with its newline", () => {
  const first = line("process_exec", "a", 7);
  const second = line("process_exec", "b", 7, { flags: "procFS rootcwd" });
  const output = new TextEncoder().encode(`${first}\n${second}\n`);
  // The first piece ends right before the newline of the first line.
  const stamps = parseStamps(
    `0 10\n${first.length} 20\n${first.length + 1} 30\n${output.length} 40\n`,
  );
  const execs = timeExecs(output, stamps);
  deepStrictEqual(execs.map((exec) => [exec.arrivalNs, exec.live]), [[30n, true], [40n, false]]);
});

Deno.test("parseTime() keeps nanoseconds and fills short fractions", () => {
  strictEqual(parseTime("1970-01-01T00:00:01.000000002Z"), 1_000_000_002n);
  strictEqual(parseTime("1970-01-01T00:00:01.5Z"), 1_500_000_000n);
  strictEqual(parseTime("1970-01-01T00:00:01Z"), 1_000_000_000n);
  throws(() => parseTime("1970-01-01T00:00:01+02:00"));
});
