/**
 * The signal sensor on the running kernel. Signals go to processes that the test has started.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { KernelFact, ProcessSignaled } from "../../src/events/mod.ts";
import { SensorRecorder } from "../support/expect_event.ts";
import { IS_GUEST, kernelTest, skipLine } from "../support/require_kernel.ts";
import {
  TestCgroup,
  type TestHierarchy,
  v1Hierarchy,
  v2Hierarchy,
} from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

/**
 * A process that stays until its input ends; with handlers USR1 has one and USR2 is ignored. No
 * target: each blocks signals, and ends at them, in its own way.
 */
function startTarget(withHandlers: boolean): Deno.ChildProcess {
  return new Deno.Command(program, {
    args: ["signals", ...withHandlers ? ["handlers"] : []],
    ...{ stdin: "piped", stdout: "piped", stderr: "null" },
  }).spawn();
}

async function ready(target: Deno.ChildProcess): Promise<void> {
  const reader = target.stdout.getReader();
  await reader.read();
  reader.releaseLock();
}

async function end(target: Deno.ChildProcess): Promise<void> {
  await target.stdin.close().catch(() => {});
  await target.stdout.cancel().catch(() => {});
  await target.status;
}

const isSignal = (tgid: number, signal: number) => (fact: KernelFact): fact is ProcessSignaled =>
  fact.type === "process_signaled" && fact.tgid === tgid && fact.signal === signal;

kernelTest({
  name: "signal sensor names who ended a process, and how the signal was sent",
  async run() {
    using recorder = SensorRecorder.shared({}, { signal: {} });
    for (const [name, number] of [["SIGKILL", 9], ["SIGTERM", 15], ["SIGUSR1", 10]] as const) {
      const target = startTarget(false);
      await ready(target);
      target.kill(name);
      const fact = await recorder.until(isSignal(target.pid, number));
      ok(fact.type === "process_signaled");
      strictEqual(fact.sender?.tgid, Deno.pid);
      strictEqual(fact.sender.isUnsure, false);
      ok(fact.sender.leaderStartNs > 0n && fact.sender.leaderStartNs < fact.leaderStartNs);
      deepStrictEqual([fact.isFatal, fact.isToThread, fact.fate, fact.code], [
        ...[true, false, "delivered", 0],
      ]);
      await end(target);
    }
    strictEqual(recorder.lost, 0);
  },
});

kernelTest({
  name: "signal sensor leaves out what does not end a process, unless it is to report all",
  async run() {
    const send = async (recorder: SensorRecorder, last: string): Promise<number> => {
      const target = startTarget(true);
      await ready(target);
      for (const name of ["SIGUSR1", "SIGUSR2", "SIGCONT", last] as const) {
        target.kill(name as Deno.Signal);
      }
      await recorder.until(isSignal(target.pid, 9));
      await end(target);
      return target.pid;
    };
    const signalsOf = (facts: readonly KernelFact[], tgid: number) =>
      facts.filter((fact) => fact.type === "process_signaled" && fact.tgid === tgid)
        .map((fact) => fact.type === "process_signaled" && [fact.signal, fact.fate, fact.isFatal]);
    {
      using recorder = SensorRecorder.shared({}, { signal: {} });
      const tgid = await send(recorder, "SIGKILL");
      deepStrictEqual(signalsOf(recorder.take(), tgid), [[9, "delivered", true]]);
    }
    using recorder = SensorRecorder.shared({}, { signal: { report_all: true } });
    const tgid = await send(recorder, "SIGKILL");
    deepStrictEqual(signalsOf(recorder.take(), tgid).slice(0, 4), [
      [10, "delivered", false],
      [12, "ignored", false],
      [18, "ignored", false],
      [9, "delivered", true],
    ]);
  },
});

kernelTest({
  name: "signal sensor names the process itself when it sends a signal to itself",
  async run() {
    using recorder = SensorRecorder.shared({}, { signal: {} });
    const run = await recorder.record(program, ["kill", "11"]);
    const own = await recorder.until(isSignal(run.pid, 11));
    ok(own.type === "process_signaled");
    strictEqual(own.sender?.tgid, run.pid);
  },
});

/** Where memory is limited on this host, with the file of the limit. */
function memoryHierarchy(): { readonly at: TestHierarchy; readonly file: string } | undefined {
  const v1 = v1Hierarchy("memory");
  if (v1 !== undefined) return { at: v1, file: "memory.limit_in_bytes" };
  const at = v2Hierarchy();
  const has = (file: string) =>
    Deno.readTextFileSync(`${at.path}/cgroup.${file}`).split(/\s+/).includes("memory");
  if (!has("controllers")) return undefined;
  if (!has("subtree_control") && IS_GUEST) {
    Deno.writeTextFileSync(`${at.path}/cgroup.subtree_control`, "+memory");
  }
  return has("subtree_control") ? { at, file: "memory.max" } : undefined;
}

kernelTest({
  name: "signal sensor tells a victim of a cgroup's limit, with limit and use",
  async run() {
    const memory = memoryHierarchy();
    if (memory === undefined) {
      return skipLine("signal sensor, oom_kill", "no cgroup limits memory here");
    }
    using recorder = SensorRecorder.shared({}, { signal: {} });
    using cgroup = new TestCgroup(memory.at);
    const folder = `${memory.at.path}${cgroup.path}`;
    const limit = 8n * 1024n * 1024n;
    Deno.writeTextFileSync(`${folder}/${memory.file}`, String(limit));
    try {
      Deno.writeTextFileSync(`${folder}/memory.swap.max`, "0");
    } catch {
      // v1, or a kernel without swap accounting: then it takes a little longer.
    }
    const script = `echo $$ > ${folder}/cgroup.procs
x=0123456789abcdef; while :; do x=$x$x; done`;
    const child = new Deno.Command("/bin/sh", { args: ["-c", script], stderr: "null" }).spawn();
    const fact = await recorder.until((each) =>
      each.type === "oom_killed" && each.tgid === child.pid
    );
    strictEqual((await child.status).signal, "SIGKILL");
    ok(fact.type === "oom_killed");
    strictEqual(fact.memory?.cgroupId, cgroup.id);
    strictEqual(fact.memory.hierarchy, memory.at.hierarchyId);
    strictEqual(fact.memory.limitBytes, limit);
    ok(fact.memory.usageBytes > limit / 2n && fact.memory.usageBytes <= limit);
    const kill = await recorder.until(isSignal(child.pid, 9));
    ok(kill.type === "process_signaled" && kill.sender === undefined && kill.code === 128);
  },
});
