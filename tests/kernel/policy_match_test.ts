/** Policies on system calls in the running kernel, for processes of the test's own cgroup. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { argumentIs, makePolicy, texts } from "../support/policy_factory.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { buildWorkload } from "../support/workload.ts";

await buildWorkload();

const AT_FDCWD = -100;

kernelTest({
  name: "policies see texts that system calls are given, and tell who did it",
  async run() {
    using bench = new PolicyKernelBench();
    await using caller = await bench.caller();
    await bench.add(makePolicy("secrets", {
      call: "openat",
      types: ["int32", "string", "int32"],
      selectors: [{ conditions: [argumentIs(1, texts("text", "/etc/shrike-secret"))] }],
    }));
    deepStrictEqual(bench.kernel.programs(), ["on_sys_enter"]);
    const { value, hits } = await bench.during(caller, "openat", [
      AT_FDCWD,
      "/etc/shrike-secret",
      0,
    ]);
    strictEqual(value, -2n);
    deepStrictEqual(bench.actsOf(hits).map(({ policy, selector }) => [policy, selector]), [
      ["secrets", 0],
    ]);
    const [hit] = hits;
    strictEqual(hit?.tgid, caller.pid);
    strictEqual(hit.cgroup.id, bench.cgroup.id);
    deepStrictEqual([hit.phase, hit.isSilent, hit.expectsReturn, hit.effect], [
      ...["call", false, false, undefined],
    ]);
    deepStrictEqual(hit.args[0], { kind: "number", value: BigInt.asUintN(64, BigInt(AT_FDCWD)) });
    strictEqual(hit.args[1]?.kind === "text" && hit.args[1].text.text, "/etc/shrike-secret");
    const other = await bench.during(caller, "openat", [AT_FDCWD, "/etc/shrike-secrets", 0]);
    deepStrictEqual(other.hits, []);
    strictEqual(bench.lost, 0);
    await bench.remove("secrets");
    deepStrictEqual(bench.kernel.programs(), []);
  },
});
