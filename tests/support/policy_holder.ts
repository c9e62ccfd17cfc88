/**
 * A process with an enforcing policy in the kernel, for tests that kill it: opening the file that
 * is named fails in a cgroup, whose folder it writes when the policy is there.
 *
 * @module
 */
import { argumentIs, makePolicy, texts } from "./policy_factory.ts";
import { PolicyKernelBench } from "./policy_kernel_bench.ts";

const EPERM = 1;

if (import.meta.main) {
  const bench = new PolicyKernelBench();
  const denies = {
    conditions: [argumentIs(0, texts("text", Deno.args[0] ?? ""))],
    actions: [{ kind: "override", errno: EPERM }] as const,
  };
  await bench.add(makePolicy("holds", {
    point: { kind: "lsm", name: "file_open" },
    types: ["file"],
    mode: "enforce",
    selectors: [denies],
  }));
  console.log(bench.cgroup.directory);
  setInterval(() => {}, 1_000_000);
}
