/** The process sensor and threads: records are of thread groups, whichever thread acts. */
import { notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { SensorRecorder, single } from "../support/expect_event.ts";
import { kernelTest, skipLine } from "../support/require_kernel.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

kernelTest({
  name: "process sensor makes no records of 200 threads",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["threads", "200"]);
    strictEqual(run.code, 0);
    strictEqual(run.forks.length, 1);
    strictEqual(run.execs.length, 1);
    // A joined thread may still be on its way out when the leader ends: the exit is told twice
    // then, see on_process_exit(), and the state drops the second.
    ok(run.exits.length === 1 || run.exits.length === 2);
    strictEqual(run.facts.length, 2 + run.exits.length);
  },
});

kernelTest({
  name: "process sensor reports exec by a thread under the leader's tid",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["thread-exec", "3"]);
    strictEqual(run.code, 3);
    strictEqual(run.forks.length, 1);
    strictEqual(run.execs.length, 2);
    const [, exec] = run.execs;
    strictEqual(exec?.tgid, run.pid);
    strictEqual(exec.tid, run.pid);
    strictEqual(exec.oldTid, Number(run.output));
    notStrictEqual(exec.oldTid, run.pid);
    // The old leader ended in the exec, which is not the end of the process.
    strictEqual(single(run.exits).exitCode, 3 << 8);
  },
});

kernelTest({
  name: "process sensor reports the exit when the last thread ends, not the leader",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["leader-first", "7"]);
    strictEqual(run.code, 7);
    const exit = single(run.exits);
    strictEqual(exit.exitCode, 7 << 8);
    strictEqual(exit.tid, run.pid);
    strictEqual(exit.lastTid, Number(run.output));
  },
});

kernelTest({
  name: "process sensor gives the status that wait(2) gives when a thread outlives its leader",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["thread-last", "5"]);
    const exit = single(run.exits);
    strictEqual(exit.exitCode, run.code << 8);
    notStrictEqual(exit.lastTid, run.pid);
  },
});

kernelTest({
  name: "process sensor reports an exit when all threads end at once, and duplicates are equal",
  async run() {
    using recorder = SensorRecorder.shared();
    for (let round = 0; round < 20; round++) {
      const run = await recorder.record(program, ["exit-together", "8"]);
      ok(run.exits.length >= 1);
      for (const exit of run.exits) {
        strictEqual(exit.tgid, run.pid);
        strictEqual(exit.exitCode, run.code << 8);
        strictEqual(exit.leaderStartNs, run.exits[0]?.leaderStartNs);
      }
    }
  },
});

kernelTest({
  name: "process sensor makes no records of io_uring's kernel threads",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["io-uring"]);
    if (run.code === 77) skipLine("io_uring's kernel threads", "io_uring is not available");
    else strictEqual(run.code, 0);
    strictEqual(run.forks.length, 1);
    strictEqual(run.execs.length, 1);
    // Twice when a worker is still on its way out, as with threads.
    ok(run.exits.length === 1 || run.exits.length === 2);
  },
});

kernelTest({
  name: "process sensor makes no records of kernel threads",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["many", "50"]);
    strictEqual(run.exits.length, 51);
    const kernelThreads = new Set(kernelThreadPids());
    ok(kernelThreads.size > 0);
    for (const pid of kernelThreads) strictEqual(recorder.descendants(pid).length, 0);
  },
});

/** Children of kthreadd and itself. */
function kernelThreadPids(): number[] {
  const pids = [2];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      if (Number(stat.slice(stat.lastIndexOf(")") + 4).split(" ")[0]) === 2) {
        pids.push(Number(name));
      }
    } catch {
      // It has ended meanwhile.
    }
  }
  return pids;
}
