/**
 * How many calls can wait for memory that is not there when they begin.
 */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { PolicyCount } from "../../src/wire/mod.ts";
import { texts } from "../support/policy_factory.ts";
import { opens, pathIs, untouched } from "../support/hidden_path.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import type { SystemCaller } from "../support/system_caller.ts";

const AT_FDCWD = -100;

kernelTest({
  name: "calls that find no room to wait for their memory are decided without it, and counted",
  async run() {
    await using bench = new PolicyKernelBench({ mapEntries: { policy_deferrals: 1 } });
    await bench.add(
      opens("equal", pathIs(texts("text", "/none/fifo"))),
      opens("not-equal", pathIs(texts("text", "/none/fifo"), true)),
    );
    const directory = Deno.makeTempDirSync();
    const fifo = `${directory}/fifo`;
    await using maker = await bench.caller();
    strictEqual(await maker.call("mknodat", [AT_FDCWD, fifo, 0o10600, 0]), 0n);
    // As many wait in open(2) of a pipe as it takes: without room of its own a map has a few more.
    const callers: SystemCaller[] = [];
    const opened: Promise<bigint>[] = [];
    const isFull = () => bench.count(PolicyCount.POLICY_COUNT_DEFERRALS_FULL) > 0;
    while (!isFull() && callers.length < 64) {
      const caller = await bench.caller();
      callers.push(caller);
      const waiting = bench.count(PolicyCount.POLICY_COUNT_DEFERRED);
      opened.push(caller.call("openat", [AT_FDCWD, untouched(fifo), 0]));
      const { POLICY_COUNT_DEFERRED, POLICY_COUNT_DEFERRALS_FULL } = PolicyCount;
      await bench.waitFor(() =>
        bench.count(POLICY_COUNT_DEFERRED) > waiting ||
        bench.count(POLICY_COUNT_DEFERRALS_FULL) > 0
      );
    }
    strictEqual(isFull(), true);
    // It is counted before it is told.
    await bench.until(() => true);
    const hits = bench.take();
    deepStrictEqual(bench.actsOf(hits).map(({ policy }) => policy), ["not-equal"]);
    deepStrictEqual(hits.map(({ isDeferred }) => isDeferred), [false]);
    await maker.call("openat", [AT_FDCWD, fifo, 1]);
    await Promise.all(opened);
    for (const caller of callers) await caller.end();
    Deno.removeSync(directory, { recursive: true });
  },
});
