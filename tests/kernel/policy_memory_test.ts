/**
 * Arguments in memory that is not there when a call begins: what looks at them is decided when the
 * call ends, by what the kernel itself has read.
 */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import type { Action, HookArgument } from "../../src/policy/mod.ts";
import { PolicyCount } from "../../src/wire/mod.ts";
import { argumentIs, condition, makePolicy, numbers, texts } from "../support/policy_factory.ts";
import { opens, pathIs, untouched } from "../support/hidden_path.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { type CallArgument, CallerEnded, type SystemCaller } from "../support/system_caller.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

const AT_FDCWD = -100;
const O_PATH = 0x20_0000;
const EFAULT = -14n;
const ENOENT = -2n;
const SIGKILL: Action = { kind: "sigkill" };
const HIDDEN = "/none/hidden";
/** No page is ever there. */
const NOWHERE = 8;

/** Which policies have acted on one openat(2) of `path`. */
async function actsOn(
  bench: PolicyKernelBench,
  caller: SystemCaller,
  path: CallArgument,
): Promise<string[]> {
  const { hits } = await bench.during(caller, "openat", [AT_FDCWD, path, O_PATH]);
  return bench.actsOf(hits).map(({ policy, selector }) => `${policy} ${selector}`).sort();
}

kernelTest({
  name: "a path in memory that is not there yet matches as one that is, whatever the operator",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    await bench.add(
      opens("equal", pathIs(texts("text", HIDDEN))),
      opens("not-equal", pathIs(texts("text", HIDDEN), true)),
      opens("prefix", pathIs(texts("prefix", "/none/"))),
      opens("not-prefix", pathIs(texts("prefix", "/none/"), true)),
      opens("postfix", pathIs(texts("postfix", "dden"))),
      opens("not-postfix", pathIs(texts("postfix", "dden"), true)),
      opens("steps", pathIs(texts("text", "/other")), pathIs(texts("text", HIDDEN)), {}),
    );
    const cases: [string, string[]][] = [
      [HIDDEN, ["equal 0", "postfix 0", "prefix 0", "steps 1"]],
      ["/other", ["not-equal 0", "not-postfix 0", "not-prefix 0", "steps 0"]],
      ["/none/", ["not-equal 0", "not-postfix 0", "prefix 0", "steps 2"]],
    ];
    for (const [path, expected] of cases) {
      for (const memory of ["untouched", "half"] as const) {
        const before = bench.count(PolicyCount.POLICY_COUNT_DEFERRED);
        deepStrictEqual(await actsOn(bench, caller, { memory, holds: path }), expected, memory);
        strictEqual(bench.count(PolicyCount.POLICY_COUNT_DEFERRED), before + 1, memory);
      }
      deepStrictEqual(await actsOn(bench, caller, path), expected, "memory that is there");
    }
    strictEqual(bench.count(PolicyCount.POLICY_COUNT_UNREADABLE), 0);
    strictEqual(bench.lost, 0);
  },
});

kernelTest({
  name: "memory that is not there at the end either is what nobody lists, and is counted",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    await bench.add(
      opens("equal", pathIs(texts("text", HIDDEN, ""))),
      opens("not-equal", pathIs(texts("text", HIDDEN), true)),
    );
    for (const path of [NOWHERE, { memory: "torn", holds: HIDDEN } as const]) {
      const { value, hits } = await bench.during(caller, "openat", [AT_FDCWD, path, O_PATH]);
      strictEqual(value, EFAULT);
      deepStrictEqual(bench.actsOf(hits).map(({ policy }) => policy), ["not-equal"]);
    }
    strictEqual(bench.count(PolicyCount.POLICY_COUNT_UNREADABLE), 2);
    strictEqual(bench.count(PolicyCount.POLICY_COUNT_UNSEEN), 0, "the kernel saw nothing");
    // Here the kernel does not look at all, so nobody knows.
    await bench.add(makePolicy("option", {
      ...{ call: "prctl", types: ["nop", "string"] },
      selectors: [pathIs(texts("text", HIDDEN), true)],
    }));
    strictEqual((await bench.during(caller, "prctl", [0x7fff_0001, NOWHERE])).hits.length, 1);
    strictEqual(bench.count(PolicyCount.POLICY_COUNT_UNSEEN), 1);
  },
});

kernelTest({
  name: "a process is killed for a path that it has hidden in memory that is not there yet",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await bench.add(opens("kills", {
      conditions: [argumentIs(1, texts("prefix", "/none/"))],
      actions: [SIGKILL],
    }));
    await using caller = await bench.caller();
    strictEqual(await caller.call("openat", [AT_FDCWD, untouched("/else/x"), O_PATH]), ENOENT);
    bench.take();
    await rejects(
      caller.call("openat", [AT_FDCWD, untouched(HIDDEN), O_PATH]),
      (error) => error instanceof CallerEnded && error.status.signal === "SIGKILL",
    );
    const hits = bench.take();
    strictEqual(hits.length, 1, "told once");
    deepStrictEqual(hits[0]!.effect, { kind: "signal", parameter: 9, isEnforced: true });
    const [, path] = hits[0]!.args;
    ok(path?.kind === "text" && path.text.text === HIDDEN && !path.isUnreadable);
  },
});

kernelTest({
  name: "policies that do not look at the missing memory are decided when the call begins",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    await bench.add(
      opens("all", {}),
      opens("number", { conditions: [argumentIs(0, numbers(AT_FDCWD))] }),
      opens("path", pathIs(texts("text", HIDDEN))),
      opens("other-number", {
        conditions: [argumentIs(0, numbers(7)), argumentIs(1, texts("text", HIDDEN))],
      }),
    );
    const args = [AT_FDCWD, untouched(HIDDEN), O_PATH];
    const { hits } = await bench.during(caller, "openat", args);
    deepStrictEqual(hits.map(({ isDeferred }) => isDeferred), [false, true]);
    const names = hits.map((hit) => bench.actsOf([hit]).map(({ policy }) => policy).sort());
    deepStrictEqual(names, [["all", "number"], ["path"]]);
    await bench.remove("path", "other-number");
    const alone = await bench.during(caller, "openat", [AT_FDCWD, untouched(HIDDEN), O_PATH]);
    deepStrictEqual(alone.hits.map(({ isDeferred }) => isDeferred), [false]);
  },
});

kernelTest({
  name: "what a call with missing memory returns is matched and told with it",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const types = ["int32", "string"] as const;
    await bench.add(
      makePolicy("all", { call: "openat", types, returns: "int32" }),
      makePolicy("failed", {
        ...{ call: "openat", types, returns: "int32" },
        selectors: [{
          conditions: [
            argumentIs(1, texts("text", HIDDEN)),
            condition({ of: "return" }, numbers(-2)),
          ],
        }],
      }),
      makePolicy("told", {
        ...{ call: "openat", types, returns: "int32" },
        selectors: [pathIs(texts("text", HIDDEN))],
      }),
    );
    const args = [AT_FDCWD, untouched(HIDDEN), O_PATH];
    const { hits } = await bench.during(caller, "openat", args);
    deepStrictEqual(
      hits.map(({ phase, isDeferred, expectsReturn, returnValue }) => ({
        ...{ phase, isDeferred, expectsReturn, returnValue },
        acts: bench.actsOf(
          hits.filter((hit) => hit.phase === phase && hit.isDeferred === isDeferred),
        )
          .map(({ policy }) => policy).sort(),
      })),
      [
        { phase: "call", isDeferred: false, expectsReturn: true, returnValue: 0n, acts: ["all"] },
        {
          phase: "return",
          isDeferred: false,
          expectsReturn: false,
          returnValue: -2n,
          acts: ["all"],
        },
        { phase: "call", isDeferred: true, expectsReturn: true, returnValue: 0n, acts: ["told"] },
        {
          ...{ phase: "return", isDeferred: true, expectsReturn: false, returnValue: -2n },
          acts: ["failed", "told"],
        },
      ],
    );
  },
});

kernelTest({
  name: "buffers and addresses in memory that is not there yet match too",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const buffer: Omit<HookArgument, "place"> = { index: 1, type: "char_buf", sizeIndex: 2 };
    await bench.add(
      makePolicy("buffer", {
        ...{ call: "write", types: ["int32", buffer] },
        selectors: [{ conditions: [argumentIs(1, texts("prefix", "sec"))] }],
      }),
      makePolicy("address", {
        ...{ call: "connect", types: ["int32", "sockaddr"] },
        selectors: [{ conditions: [argumentIs(1, numbers(7), { part: "destination_port" })] }],
      }),
    );
    const count = async (name: string, args: readonly CallArgument[]) =>
      (await bench.during(caller, name, args)).hits.length;
    const [file, socket] = [
      await caller.call("memfd_create", ["out", 0]),
      await caller.call("socket", [2, 2, 0]),
    ];
    for (const memory of ["untouched", "half"] as const) {
      strictEqual(await count("write", [file, { memory, holds: "secret" }, 6]), 1, memory);
      strictEqual(await count("write", [file, { memory, holds: "public" }, 6]), 0, memory);
    }
    // The kernel takes what is before the border (5.10 nothing), and so does the policy.
    const torn = await caller.call("write", [file, { memory: "torn", holds: "secret" }, 6]);
    ok(torn === 3n || torn === EFAULT, `${torn}`);
    strictEqual(await count("write", [file, { memory: "torn", holds: "secret" }, 6]), 1);
    strictEqual(await count("write", [file, { memory: "torn", holds: "public" }, 6]), 0);
    const address = (port: number) =>
      Uint8Array.of(2, 0, 0, port, 127, 0, 0, 1, ...Array(8).fill(0));
    for (const memory of ["untouched", "half"] as const) {
      strictEqual(await count("connect", [socket, { memory, holds: address(7) }, 16]), 1, memory);
      strictEqual(await count("connect", [socket, { memory, holds: address(8) }, 16]), 0, memory);
    }
    strictEqual(await count("connect", [socket, { memory: "torn", holds: address(7) }, 16]), 0);
  },
});

kernelTest({
  name: "32-bit socketcall with its arguments in memory that is not there yet does not slip by",
  async run() {
    if (Deno.build.arch !== "x86_64") return;
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    if (await caller.call("getpriority", [0, 0], { isCompat: true }) === -38n) {
      return console.error("skip: this kernel has no 32-bit calls");
    }
    const types = ["int32", "sockaddr"] as const;
    const port = argumentIs(1, numbers(7), { part: "destination_port" });
    await bench.add(
      makePolicy("port", { call: "connect", types, selectors: [{ conditions: [port] }] }),
      makePolicy("fd", {
        ...{ call: "connect", types },
        selectors: [{ conditions: [argumentIs(0, numbers(998))] }],
      }),
      makePolicy("any", { call: "connect", types }),
    );
    const options = { isCompat: true, number: 102 };
    const [CONNECT, EBADF] = [3, -9n];
    const acts = async (fd: number, to: number, isAddressThere: boolean) => {
      const address = Uint8Array.of(2, 0, 0, to, 127, 0, 0, 1, ...Array(8).fill(0));
      const args = untouched([fd, isAddressThere ? address : untouched(address), 16]);
      const { value, hits } = await bench.during(caller, "socketcall", [CONNECT, args], options);
      strictEqual(value, EBADF);
      return bench.actsOf(hits).map(({ policy }) => policy).sort();
    };
    deepStrictEqual(await acts(998, 7, true), ["any", "fd", "port"]);
    deepStrictEqual(await acts(999, 7, true), ["any", "port"]);
    deepStrictEqual(await acts(999, 8, true), ["any"]);
    // The call fails before the kernel looks at the address.
    deepStrictEqual(await acts(998, 7, false), ["any", "fd"]);
  },
});

kernelTest({
  name: "exec of a name in memory that is not there yet is decided by the kernel's copy of it",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    const directory = Deno.makeTempDirSync();
    Deno.copyFileSync(program, `${directory}/hidden`);
    Deno.copyFileSync(program, `${directory}/shown`);
    const [hidden, shown] = [`${directory}/hidden`, `${directory}/shown`];
    await using caller = await bench.caller();
    const policy = (name: string, parts: Parameters<typeof makePolicy>[1], index: number) =>
      makePolicy(name, {
        ...{ types: [{ index, type: "string" }], ...parts },
        selectors: [
          { conditions: [argumentIs(0, texts("postfix", "hidden"))] },
          { conditions: [argumentIs(0, texts("text", ""))] },
        ],
      });
    await bench.add(
      policy("name", { call: "execve", returns: "int32" }, 0),
      policy("at", { call: "execveat" }, 1),
    );
    deepStrictEqual(
      bench.kernel.programs().sort(),
      ["on_call_image", "on_sys_enter", "on_sys_exit", "on_thread_end"],
    );
    const acts = async (
      path: string,
      options: Parameters<SystemCaller["exec"]>[1] = {},
    ): Promise<string[]> => {
      bench.take();
      await caller.exec(untouched(path), options);
      return bench.actsOf(bench.take()).map(({ policy, selector, hit }) =>
        `${policy} ${selector} ${hit.phase} ${hit.isDeferred} ${hit.returnValue}`
      );
    };
    const both = ["name 0 call true 0", "name 0 return true 0"];
    deepStrictEqual(await acts(hidden), both);
    deepStrictEqual(await acts(shown), []);
    deepStrictEqual(await acts(hidden, { byThread: true }), both, "which becomes the first thread");
    const fd = await caller.call("openat", [AT_FDCWD, directory, O_PATH]);
    deepStrictEqual(await acts("hidden", { fd }), ["at 0 call true 0"]);
    deepStrictEqual(await acts("shown", { fd }), []);
    deepStrictEqual(await acts(hidden, { fd }), ["at 0 call true 0"]);
    const file = await caller.call("openat", [AT_FDCWD, hidden, O_PATH]);
    deepStrictEqual(await acts("", { fd: file }), ["at 1 call true 0"], "an empty name");
    // It fails, and the memory is still there.
    const { value, hits } = await bench.during(caller, "execve", [untouched("/none/hidden"), 0, 0]);
    strictEqual(value, ENOENT);
    deepStrictEqual(hits.map(({ phase, isDeferred }) => [phase, isDeferred]), [
      ["call", true],
      ["return", true],
    ]);
    strictEqual(bench.count(PolicyCount.POLICY_COUNT_UNREADABLE), 0);
    Deno.removeSync(directory, { recursive: true });
  },
});

kernelTest({
  name: "exec of a hidden name kills the process before the new program runs",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    await bench.add(makePolicy("kills", {
      ...{ call: "execve", types: ["string"], mode: "enforce" },
      selectors: [{ conditions: [argumentIs(0, texts("text", program))], actions: [SIGKILL] }],
    }));
    await rejects(
      caller.exec(untouched(program)),
      (error) => error instanceof CallerEnded && error.status.signal === "SIGKILL",
    );
    strictEqual(bench.take().length, 1);
  },
});
