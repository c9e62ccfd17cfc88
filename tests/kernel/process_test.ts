/**
 * The process sensor on the running kernel: each way to start, become and end, with exactly the
 * records it must make.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { basename } from "node:path";
import { SensorRecorder, single } from "../support/expect_event.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();
const texts = (list: readonly { readonly text: string }[]) => list.map(({ text }) => text);

kernelTest({
  name: "process sensor reports fork, exec and exit of a program, in this order",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["exit", "7"]);
    deepStrictEqual(run.facts.map(({ type }) => type), [
      "process_forked",
      "process_executed",
      "process_exited",
    ]);
    const [fork, exec, exit] = [single(run.forks), single(run.execs), single(run.exits)];
    for (const fact of run.facts) {
      strictEqual(fact.tgid, run.pid);
      strictEqual(fact.tid, run.pid);
      strictEqual(fact.namespaceTgid, run.pid);
      strictEqual(fact.leaderStartNs, fork.leaderStartNs);
    }
    strictEqual(fork.parentTgid, Deno.pid);
    strictEqual(fork.parentStartNs, exec.parentStartNs);
    strictEqual(fork.parentIsKernel, false);
    strictEqual(exec.parentTgid, Deno.pid);
    strictEqual(exec.oldTid, run.pid);
    strictEqual(exec.filename.text, program);
    strictEqual(exec.interpreter, undefined);
    deepStrictEqual(texts(exec.argv), [program, "exit", "7"]);
    strictEqual(exec.cwd.text, Deno.cwd());
    strictEqual(exec.environment, undefined);
    strictEqual(exec.secureExec, false);
    ok(Object.values(exec.problems).every((problem) => !problem));
    strictEqual(exit.exitCode, 7 << 8);
    strictEqual(exit.lastTid, run.pid);
    strictEqual(recorder.lost, 0);
  },
});

kernelTest({
  name: "process sensor reports the executable as stat(2) does",
  async run() {
    using recorder = SensorRecorder.shared();
    const exec = single((await recorder.record(program, ["exit"])).execs);
    const stat = Deno.statSync(program);
    strictEqual(exec.exe?.path.text, Deno.realPathSync(program));
    strictEqual(exec.exe.inode, BigInt(stat.ino ?? 0));
    strictEqual(exec.exe.mode, stat.mode);
    strictEqual(exec.exe.links, stat.nlink);
    strictEqual(exec.exe.uid, stat.uid);
    strictEqual(exec.exe.gid, stat.gid);
    strictEqual(exec.exe.deleted, false);
    strictEqual(exec.exe.memfd, false);
  },
});

kernelTest({
  name: "process sensor gives the credentials and namespaces of /proc",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["exit"]);
    const status = Deno.readTextFileSync("/proc/self/status");
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
    const inode = (name: string) =>
      Number(/\d+/.exec(linkOrZero(`/proc/self/ns/${name}`))?.[0] ?? 0);
    for (const { credentials, namespaces } of [single(run.forks), single(run.execs)]) {
      const { uid, euid, suid, fsuid, gid, egid, sgid, fsgid } = credentials;
      deepStrictEqual([uid, euid, suid, fsuid].join("\t"), field("Uid"));
      deepStrictEqual([gid, egid, sgid, fsgid].join("\t"), field("Gid"));
      strictEqual(credentials.capEffective, BigInt(`0x${field("CapEff")}`));
      strictEqual(credentials.capPermitted, BigInt(`0x${field("CapPrm")}`));
      strictEqual(credentials.capInheritable, BigInt(`0x${field("CapInh")}`));
      strictEqual(credentials.capAmbient, BigInt(`0x${field("CapAmb")}`));
      strictEqual(credentials.userNsLevel, 0);
      deepStrictEqual({ ...namespaces }, {
        uts: inode("uts"),
        ipc: inode("ipc"),
        mnt: inode("mnt"),
        pid: inode("pid"),
        pidForChildren: inode("pid_for_children"),
        net: inode("net"),
        time: inode("time"),
        timeForChildren: inode("time_for_children"),
        cgroup: inode("cgroup"),
        user: inode("user"),
      });
    }
  },
});

kernelTest({
  name: "process sensor gives the cgroup of the v2 hierarchy",
  async run() {
    using recorder = SensorRecorder.shared();
    const path = /^0::(.*)$/m.exec(Deno.readTextFileSync("/proc/self/cgroup"))?.[1];
    for (const { cgroup } of (await recorder.record(program, ["exit"])).facts) {
      ok(cgroup.id > 0n);
      strictEqual(cgroup.hierarchy, 0);
      if (path === undefined) continue;
      strictEqual(cgroup.level, path === "/" ? 0 : path.split("/").length - 1);
    }
  },
});

kernelTest({
  name: "process sensor collects the environment only when asked",
  async run() {
    using recorder = SensorRecorder.shared({ environment_variables: true });
    const environment = { SHRIKE_A: "1", SHRIKE_B: "x=y z" };
    const run = await recorder.record(program, ["exit"], { environment });
    const found = texts(single(run.execs).environment ?? []).sort();
    deepStrictEqual(found, ["SHRIKE_A=1", "SHRIKE_B=x=y z"]);
  },
});

kernelTest({
  name: "process sensor gives the wait status of exits and signals",
  async run() {
    using recorder = SensorRecorder.shared();
    for (const status of [0, 1, 255]) {
      const run = await recorder.record(program, ["exit", String(status)]);
      strictEqual(single(run.exits).exitCode, status << 8);
    }
    for (const signal of [9, 15]) {
      const run = await recorder.record(program, ["kill", String(signal)]);
      strictEqual(single(run.exits).exitCode, signal);
    }
    const core = single((await recorder.record(program, ["kill", "11"])).exits);
    strictEqual(core.exitCode & 0x7f, 11);
  },
});

kernelTest({
  name: "process sensor reports children that never exec",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["fork", "5"]);
    strictEqual(run.code, 0);
    const children = run.forks.filter(({ tgid }) => tgid !== run.pid);
    strictEqual(children.length, 5);
    strictEqual(run.execs.length, 1);
    children.forEach((child, index) => {
      strictEqual(child.parentTgid, run.pid);
      strictEqual(child.parentTid, run.pid);
      const exit = single(run.exits.filter(({ tgid }) => tgid === child.tgid));
      strictEqual(exit.exitCode, (index + 1) << 8);
      strictEqual(exit.leaderStartNs, child.leaderStartNs);
    });
  },
});

kernelTest({
  name: "process sensor reports a vforked child",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["vfork-exec"]);
    const child = single(run.forks.filter(({ tgid }) => tgid !== run.pid));
    const exec = single(run.execs.filter(({ tgid }) => tgid === child.tgid));
    strictEqual(exec.parentTgid, run.pid);
    strictEqual(single(run.exits.filter(({ tgid }) => tgid === child.tgid)).exitCode, 0);
  },
});

kernelTest({
  name: "process sensor reports each exec of a chain in one pid",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["exec-chain", "10"]);
    strictEqual(run.forks.length, 1);
    strictEqual(run.exits.length, 1);
    deepStrictEqual(
      run.execs.map(({ argv }) => argv.at(-1)?.text),
      ["10", "9", "8", "7", "6", "5", "4", "3", "2", "1", "0"],
    );
    ok(run.execs.every(({ tgid, oldTid }) => tgid === run.pid && oldTid === run.pid));
    ok(run.execs.every(({ leaderStartNs }) => leaderStartNs === run.exits[0]?.leaderStartNs));
  },
});

kernelTest({
  name: "process sensor names the maker and the parent of a CLONE_PARENT child",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["clone-parent"]);
    strictEqual(run.code, 0);
    const [maker, made] = run.forks.filter(({ tgid }) => tgid !== run.pid);
    strictEqual(maker?.parentTgid, run.pid);
    strictEqual(made?.parentTgid, run.pid);
    strictEqual(made.parentTid, maker.tgid);
  },
});

kernelTest({
  name: "process sensor loses nothing of 10,000 short programs",
  async run() {
    using recorder = SensorRecorder.shared();
    const started = performance.now();
    strictEqual((await recorder.record(program, ["many", "100"])).forks.length, 101);
    // An emulated guest takes minutes for what takes a second here: as many as fit 10 s.
    const fitting = Math.floor(100 * 10_000 / (performance.now() - started));
    const count = Math.min(10_000, Math.max(200, fitting));
    const run = await recorder.record(program, ["many", String(count)]);
    strictEqual(recorder.lost, 0);
    strictEqual(run.forks.length, count + 1);
    strictEqual(run.execs.length, count + 1);
    strictEqual(run.exits.length, count + 1);
  },
});

kernelTest({
  name: "process sensor follows a bounded fork bomb to the last child",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["bomb", "4", "4"]);
    strictEqual(recorder.lost, 0);
    // 1 + 4 + 16 + 64 + 256 processes.
    strictEqual(run.forks.length, 341);
    strictEqual(new Set(run.exits.map(({ tgid }) => tgid)).size, 341);
    const born = new Map(run.forks.map((fork) => [fork.tgid, fork.timeNs]));
    for (const fork of run.forks) {
      if (fork.tgid !== run.pid) ok((born.get(fork.parentTgid) ?? fork.timeNs) < fork.timeNs);
    }
  },
});

kernelTest({
  name:
    "process sensor gives argv[0] as the caller chose it, and nothing of a process that only waits",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["exec", program, basename(program), "exit"]);
    strictEqual(run.execs.length, 2);
    deepStrictEqual(texts(run.execs[1]?.argv ?? []), [basename(program), "exit"]);
    strictEqual(recorder.descendants(Deno.pid).filter(({ tgid }) => tgid === Deno.pid).length, 0);
  },
});

function linkOrZero(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "0";
  }
}
