/** The process sensor and namespaces. */
import { notStrictEqual, strictEqual } from "node:assert/strict";
import { readKernelNamespaces } from "../../src/loader/mod.ts";
import { SensorRecorder } from "../support/expect_event.ts";
import { kernelTest, skipLine } from "../support/require_kernel.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

kernelTest({
  name: "process sensor gives a child's new namespaces and its pid in them",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["unshare"]);
    strictEqual(run.code, 0);
    const outer = run.execs[0];
    const fork = run.forks.find(({ tgid }) => tgid !== run.pid);
    const exec = run.execs.find(({ tgid }) => tgid === fork?.tgid);
    const exit = run.exits.find(({ tgid }) => tgid === fork?.tgid);
    for (const inner of [fork, exec]) {
      for (const kind of ["uts", "ipc", "mnt", "pid", "net", "cgroup"] as const) {
        notStrictEqual(inner?.namespaces[kind], outer?.namespaces[kind], kind);
      }
      strictEqual(inner?.namespaces.pidForChildren, inner?.namespaces.pid);
      strictEqual(inner?.namespaces.user, outer?.namespaces.user);
      strictEqual(inner?.pidNsLevel, (outer?.pidNsLevel ?? 0) + 1);
      strictEqual(inner?.namespaceTgid, 1);
    }
    strictEqual(exit?.namespaceTgid, 1);
    strictEqual(outer?.namespaceTgid, run.pid);
  },
});

kernelTest({
  name: "process sensor knows the namespaces of the host's first process without /proc/1",
  run() {
    using recorder = SensorRecorder.shared();
    const found = readKernelNamespaces(recorder.sensors);
    const kinds = { uts: "uts", ipc: "ipc", mnt: "mnt", pid: "pid", net: "net", user: "user" };
    for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
      const link = Deno.readLinkSync(`/proc/1/ns/${kind}`);
      strictEqual(found?.[kind], Number(/[0-9]+/.exec(link)?.[0]), kind);
    }
    strictEqual(found?.pidForChildren, found?.pid);
    strictEqual(found?.cgroup, 0xeffffffb);
  },
});

kernelTest({
  name: "process sensor gives the namespace entered with setns(2)",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["setns"]);
    strictEqual(run.code, 0);
    const [before, after] = run.execs;
    notStrictEqual(after?.namespaces.uts, before?.namespaces.uts);
    strictEqual(after?.namespaces.ipc, before?.namespaces.ipc);
    // The child that made the namespace was forked before it had one.
    strictEqual(run.forks[1]?.namespaces.uts, before?.namespaces.uts);
  },
});

kernelTest({
  name: "process sensor gives level and owner of a user namespace",
  async run() {
    using recorder = SensorRecorder.shared();
    const run = await recorder.record(program, ["user-namespace"], { uid: 65534, gid: 65534 });
    if (run.code === 99) {
      skipLine("user namespaces", "they are forbidden to users here");
      return;
    }
    const credentials = run.execs[1]?.credentials;
    strictEqual(credentials?.userNsLevel, 1);
    strictEqual(credentials.userNsUid, 65534);
    strictEqual(credentials.userNsGid, 65534);
    strictEqual(credentials.uid, 65534);
    notStrictEqual(run.execs[1]?.namespaces.user, run.execs[0]?.namespaces.user);
  },
});
