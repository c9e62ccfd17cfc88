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

/** Where /proc/1 may not be read, those of the test: it is none of a container. */
function inodeOfFirst(kind: string): number {
  let link: string;
  try {
    link = Deno.readLinkSync(`/proc/1/ns/${kind}`);
  } catch {
    link = Deno.readLinkSync(`/proc/self/ns/${kind}`);
  }
  return Number(/[0-9]+/.exec(link)?.[0]);
}

kernelTest({
  name: "process sensor knows the namespaces of the host's first process without /proc/1",
  run() {
    using recorder = SensorRecorder.shared();
    const found = readKernelNamespaces(recorder.sensors);
    for (const kind of ["uts", "ipc", "mnt", "pid", "net", "user"] as const) {
      strictEqual(found?.[kind], inodeOfFirst(kind), kind);
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
