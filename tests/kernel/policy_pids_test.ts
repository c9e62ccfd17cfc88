/** Policies on pids of namespaces: what is the host's, what is a container's, who came in later. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { Subject } from "../../src/policy/mod.ts";
import { condition, makePolicy, numbers } from "../support/policy_factory.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import type { SystemCaller } from "../support/system_caller.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

const NO_OPTION = 0x7fff_0001;
const CLONE_NEWPID = 0x2000_0000;
const AT_FDCWD = -100;

function policyOf(name: string, followForks: boolean, pid: number, not: boolean) {
  const subject: Subject = { of: "pid", isNamespacePid: true, followForks };
  const conditions = [condition(subject, numbers(pid), not)];
  return makePolicy(name, { call: "prctl", selectors: [{ conditions }] });
}

async function whoActs(bench: PolicyKernelBench, caller: SystemCaller) {
  const { hits } = await bench.during(caller, "prctl", [NO_OPTION]);
  return { tgid: hits[0]?.tgid, names: bench.actsOf(hits).map(({ policy }) => policy).sort() };
}

kernelTest({
  name: "pids of namespaces are 0 on the host, 1 of a container's first, others of who entered",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using inside = await bench.caller();
    await using entering = await bench.caller();
    await bench.add(
      policyOf("first", false, 1, false),
      policyOf("host", false, 0, false),
      policyOf("not-host", false, 0, true),
      policyOf("descends", true, 1, false),
      // As published: who is in a container and does not descend from its first process.
      policyOf("nsenter", true, 1, true),
    );
    deepStrictEqual((await whoActs(bench, inside)).names, ["host"], "on the host");
    strictEqual(await inside.call("unshare", [CLONE_NEWPID]), 0n);
    await inside.fork();
    await inside.exec(program);
    const first = await whoActs(bench, inside);
    deepStrictEqual(first.names, ["descends", "first", "not-host"], "the first of a container");
    ok(first.tgid !== undefined);
    await inside.fork();
    await inside.exec(program);
    deepStrictEqual((await whoActs(bench, inside)).names, ["descends", "not-host"], "its child");
    const namespace = await entering.call("openat", [AT_FDCWD, `/proc/${first.tgid}/ns/pid`, 0]);
    strictEqual(await entering.call("setns", [namespace, CLONE_NEWPID]), 0n);
    deepStrictEqual((await whoActs(bench, entering)).names, ["host"], "not in it yet");
    await entering.fork();
    await entering.exec(program);
    deepStrictEqual((await whoActs(bench, entering)).names, ["not-host", "nsenter"], "it entered");
    strictEqual(bench.lost, 0);
  },
});
