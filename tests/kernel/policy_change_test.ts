/** Policies that change while processes fork, execute, are renamed, and call. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { Policy } from "../../src/policy/mod.ts";
import { PolicyCount } from "../../src/wire/mod.ts";
import {
  argumentIs,
  condition,
  makePolicy,
  numbers,
  type SelectorParts,
  texts,
} from "../support/policy_factory.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { IS_GUEST, kernelTest } from "../support/require_kernel.ts";
import { CallStorm } from "../support/call_storm.ts";
import { SystemCaller } from "../support/system_caller.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

const TEXT = "/storm/text";
const AT_FDCWD = -100;
/** Calls that each child makes. */
const CALLS = 16;
/** For how long, and how often at most: each has bits of its own until the end. */
const TEST_MS = IS_GUEST ? 3_000 : 8_000;
const CHANGES_MAX = 120;
/** Time between looks at the rings while policies change, ms. */
const READ_INTERVAL_MS = 10;
/** However slow the machine is. */
const CHANGES_MIN = 5;
/** Each takes an emulated CPU seconds. */
const TREES = IS_GUEST ? 4 : 20;
const RACES = IS_GUEST ? 60 : 300;
const SIGCONT = 18;

/** Different ways to say that the calls of the storm match: each takes its bits elsewhere. */
const KINDS: readonly (readonly SelectorParts[])[] = [
  [{ conditions: [argumentIs(1, texts("text", TEXT))] }],
  [
    { conditions: [argumentIs(1, texts("text", "/other"))] },
    { conditions: [argumentIs(1, texts("prefix", "/storm/")), argumentIs(2, numbers(3))] },
    { conditions: [argumentIs(1, texts("postfix", "text"))] },
    {},
  ],
  [{ conditions: [argumentIs(1, texts("text", "/other"), { not: true })] }],
  [{
    conditions: [argumentIs(1, texts("prefix", "/other/"), { not: true })],
    actions: [{ kind: "signal", signal: SIGCONT }, { kind: "post" }],
  }],
];

function stormPolicy(i: number): Policy {
  return makePolicy(`storm-${i}`, {
    ...{ call: "prctl", types: ["nop", "string", "uint64"], mode: "enforce" },
    selectors: KINDS[i % KINDS.length]!,
  });
}

/** The calls of a storm: which thread has made which call, and how many policies have acted. */
function callsOf(bench: PolicyKernelBench): Map<string, number> {
  const calls = new Map<string, number>();
  for (const hit of bench.take()) {
    const number = hit.args.find(({ kind }) => kind === "number");
    const key = `${hit.tid} ${number?.kind === "number" ? number.value : "?"}`;
    calls.set(key, (calls.get(key) ?? 0) + bench.actsOf([hit]).length);
  }
  return calls;
}

kernelTest({
  name: "while one policy replaces another, every call of new processes meets exactly one of them",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await bench.add(stormPolicy(0));
    // Those in another word of a row, too, so that the change is no single store.
    const others = Array.from(
      { length: 70 },
      (_, i) =>
        makePolicy(`other-${i}`, {
          call: "prctl",
          types: ["nop", "string", "uint64"],
          selectors: [{ conditions: [argumentIs(1, texts("text", `/other/${i}`))] }],
        }),
    );
    await bench.add(...others);
    await using storm = await CallStorm.start(program, bench.cgroup, { calls: CALLS, text: TEXT });
    const until = performance.now() + TEST_MS;
    let changes = 0;
    // A change may take longer than the rings hold records of a storm.
    const reader = setInterval(() => bench.soFar(), READ_INTERVAL_MS);
    for (let i = 1; i <= CHANGES_MIN || (i <= CHANGES_MAX && performance.now() < until); i++) {
      await bench.tables.change({
        ...{ remove: [`storm-${i - 1}`], add: [stormPolicy(i)] },
        beforeSeen: () => bench.kernel.attach(bench.tables.hooks()),
      });
      bench.soFar();
      changes++;
    }
    const children = await storm.end();
    clearInterval(reader);
    const calls = callsOf(bench);
    strictEqual(bench.lost, 0);
    const what = `${children} children while policies were replaced ${changes} times`;
    console.log(`policy_change_test: ${what}`);
    ok(children > 20 && changes >= CHANGES_MIN, what);
    ok(bench.count(PolicyCount.POLICY_COUNT_DEFERRED) > 0);
    const wrong = [...calls].filter(([, acts]) => acts !== 1);
    deepStrictEqual(wrong, [], "calls that none, or more than one, has acted on");
    strictEqual(calls.size, children * CALLS, "calls that nobody has seen");
  },
});

kernelTest({
  name: "a policy on descendants that comes while they fork misses none that is made after it",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using storm = await CallStorm.start(program, bench.cgroup, { calls: CALLS, text: TEXT });
    const subject = { of: "pid", isNamespacePid: false, followForks: true } as const;
    for (let i = 0; i < TREES; i++) {
      await bench.add(makePolicy(`tree-${i}`, {
        ...{ call: "prctl", types: ["nop", "string", "uint64"] },
        selectors: [{ conditions: [condition(subject, numbers(storm.pid))] }],
      }));
      const [tree] = bench.tables.trees();
      // As the agent does: programs first, then whom it knows to descend from the root.
      const bit = 1n << BigInt(tree!.bit);
      bench.kernel.enterProcesses(storm.descendants().map((tgid) => ({ tgid, trees: bit })));
      bench.take();
      const [before, after] = [storm.descendants(), new Set<number>()];
      await bench.waitFor(() => {
        for (const pid of storm.descendants()) if (!before.includes(pid)) after.add(pid);
        return after.size >= 5;
      });
      const isTold = (pid: number) =>
        bench.soFar().filter(({ tgid }) => tgid === pid).length === CALLS;
      await bench.waitFor(() => [...after].every(isTold));
      await bench.remove(`tree-${i}`);
    }
    await storm.end();
    strictEqual(bench.lost, 0);
  },
});

kernelTest({
  name:
    "a program whose file is renamed in a race is known by the name it was given, and its folder",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    const directory = Deno.makeTempDirSync();
    // Names of one byte, or a name that is read while it changes may be a mix of both.
    const [one, other] = [`${directory}/a`, `${directory}/b`];
    for (const path of [one, other]) Deno.copyFileSync(program, path);
    const runs = (name: string, not: boolean, ...test: Parameters<typeof texts>) =>
      makePolicy(name, {
        call: "prctl",
        selectors: [{
          conditions: [condition({ of: "binary", followChildren: false }, texts(...test), not)],
        }],
      });
    await bench.add(
      runs("given", false, "text", one),
      runs("folder", false, "prefix", `${directory}/`),
      runs("neither", true, "text", one, other),
      runs("other-file", true, "text", one),
    );
    const count = RACES;
    const args = [String(count), one, other];
    const { success } = await new Deno.Command("/bin/sh", {
      args: [
        ...["-c", 'echo $$ >"$0" && exec "$@"', `${bench.cgroup.directory}/cgroup.procs`],
        ...[program, "rename-race", ...args],
      ],
    }).output();
    strictEqual(success, true);
    const acts = Object.groupBy(bench.actsOf(bench.take()), ({ policy }) => policy);
    strictEqual(bench.lost, 0);
    strictEqual(acts.given?.length, count);
    strictEqual(acts.folder?.length, count);
    strictEqual(acts.neither, undefined);
    const moved = acts["other-file"]?.length ?? 0;
    ok(moved > 0 && moved < count, `${moved} of ${count} were renamed between exec and call`);
    Deno.removeSync(directory, { recursive: true });
  },
});

kernelTest({
  name: "a policy that is removed while a call waits for its end does nothing at that end",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    const directory = Deno.makeTempDirSync();
    const fifo = `${directory}/fifo`;
    await using waits = await bench.caller();
    await using opens = await SystemCaller.startAnywhere(program);
    strictEqual(await opens.call("mknodat", [AT_FDCWD, fifo, 0o10600, 0]), 0n);
    // For reading and writing, which waits for nobody.
    const letOpen = async () => {
      const fd = await opens.call("openat", [AT_FDCWD, fifo, 2]);
      await opens.call("close", [fd]);
    };
    const kills = (name: string, not: boolean, path: string) =>
      makePolicy(name, {
        ...{ call: "openat", types: ["int32", "string"], mode: "enforce" },
        selectors: [
          {
            conditions: [argumentIs(1, texts("text", path), { not })],
            actions: [{ kind: "sigkill" }],
          },
        ],
      });
    // What it lists goes before its bits: what is left would match.
    await bench.add(kills("removed", true, fifo), makePolicy("stays", { call: "prctl" }));
    const call = waits.call("openat", [AT_FDCWD, { memory: "untouched", holds: fifo }, 0]);
    await bench.waitFor(() => bench.count(PolicyCount.POLICY_COUNT_DEFERRED) === 1);
    await bench.tables.remove("removed");
    await letOpen();
    ok(await call >= 0n, "it is not killed");
    deepStrictEqual(bench.take(), []);
    // Not long before its end: then it is decided by the policy it began under.
    await bench.add(kills("goes", false, fifo));
    const second = waits.call("openat", [AT_FDCWD, { memory: "untouched", holds: fifo }, 0])
      .then(() => "returned", () => "killed");
    await bench.waitFor(() => bench.count(PolicyCount.POLICY_COUNT_DEFERRED) === 2);
    const removed = bench.tables.remove("goes");
    await letOpen();
    strictEqual(await second, "killed");
    await removed;
    Deno.removeSync(directory, { recursive: true });
  },
});
