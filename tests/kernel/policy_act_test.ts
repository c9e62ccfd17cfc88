/** What policies do: who acts first, what is told, signals to processes of the test's cgroup. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import type { Action } from "../../src/policy/mod.ts";
import { PolicyCount } from "../../src/wire/mod.ts";
import { argumentIs, condition, makePolicy, numbers, range } from "../support/policy_factory.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { CallerEnded, SystemCaller } from "../support/system_caller.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

const NO_OPTION = 0x7fff_0001;
const EINVAL = -22n;
const SIGUSR1 = 10;
const SIG_IGN = 1n;
const POST: Action = { kind: "post" };
const NO_POST: Action = { kind: "no_post" };
const SIGKILL: Action = { kind: "sigkill" };

kernelTest({
  name: "of each policy the first selector that matches acts, and all policies do",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const below = (most: number) => ({ conditions: [argumentIs(1, range(false, 0, most))] });
    const types = ["nop", "uint32"] as const;
    await bench.add(
      makePolicy("ladder", {
        ...{ call: "prctl", types },
        selectors: [below(1), below(3), { ...below(5), actions: [NO_POST] }, below(9)],
      }),
      makePolicy("one", { call: "prctl", types, selectors: [below(4)] }),
      makePolicy("other", { call: "getpriority", types, selectors: [below(4)] }),
    );
    const cases: [number, string[]][] = [
      [0, ["ladder 0", "one 0"]],
      [1, ["ladder 0", "one 0"]],
      [2, ["ladder 1", "one 0"]],
      [4, ["ladder 2", "one 0"]],
      [5, []],
      [7, ["ladder 3"]],
      [10, []],
    ];
    for (const [value, expected] of cases) {
      const { hits } = await bench.during(caller, "prctl", [NO_OPTION, value]);
      const acts = bench.actsOf(hits).map(({ policy, selector }) => `${policy} ${selector}`);
      deepStrictEqual(acts.sort(), expected, `${value}`);
    }
    const { hits } = await bench.during(caller, "getpriority", [0, 1]);
    deepStrictEqual(bench.actsOf(hits).map(({ policy }) => policy), ["other"]);
  },
});

kernelTest({
  name: "sigkill ends the process before it returns from the call, and nobody else",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using bystander = await bench.caller();
    await using caller = await bench.caller();
    await bench.add(makePolicy("kills", {
      ...{ call: "prctl", types: ["nop", "uint32"], mode: "enforce" },
      selectors: [{ conditions: [argumentIs(1, numbers(13))], actions: [SIGKILL] }],
    }));
    strictEqual(await caller.call("prctl", [NO_OPTION, 12]), EINVAL);
    bench.take();
    await rejects(caller.call("prctl", [NO_OPTION, 13]), (error) => {
      ok(error instanceof CallerEnded);
      strictEqual(error.status.signal, "SIGKILL");
      return true;
    });
    const [hit] = bench.take();
    strictEqual(hit?.tgid, caller.pid);
    deepStrictEqual(hit.effect, { kind: "signal", parameter: 9, isEnforced: true });
    strictEqual(hit.isSilent, false, "sigkill posts too, unless told not to");
    strictEqual(await bystander.call("prctl", [NO_OPTION, 12]), EINVAL);
    strictEqual(bench.count(PolicyCount.POLICY_COUNT_SIGNAL_FAILED), 0);
  },
});

kernelTest({
  name: "modes: monitor tells what enforce would do, and switches while it runs",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    await bench.add(makePolicy("kills", {
      ...{ call: "prctl", mode: "monitor" },
      selectors: [{ actions: [SIGKILL, NO_POST] }],
    }));
    const { value, hits } = await bench.during(caller, "prctl", [NO_OPTION]);
    strictEqual(value, EINVAL);
    deepStrictEqual(hits.map(({ effect, isSilent, args }) => [effect, isSilent, args]), [
      [{ kind: "signal", parameter: 9, isEnforced: false }, true, []],
    ]);
    await bench.tables.setMode("kills", "enforce");
    await rejects(caller.call("prctl", [NO_OPTION]), CallerEnded);
    await bench.tables.setMode("kills", "monitor");
    await using second = await bench.caller();
    strictEqual(await second.call("prctl", [NO_OPTION]), EINVAL);
    await bench.tables.setEnabled("kills", false);
    deepStrictEqual((await bench.during(second, "prctl", [NO_OPTION])).hits, []);
  },
});

kernelTest({
  name: "signals other than sigkill arrive, and several policies with several signals all act",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const signal = (number: number): Action => ({ kind: "signal", signal: number });
    await bench.add(
      makePolicy("first", {
        call: "prctl",
        mode: "enforce",
        selectors: [{ actions: [signal(SIGUSR1)] }],
      }),
      makePolicy("second", {
        call: "prctl",
        mode: "monitor",
        selectors: [{ actions: [signal(12)] }],
      }),
    );
    // Handler, flags, restorer, mask: struct sigaction as the kernel has it.
    const ignore = new Uint8Array(new BigUint64Array([SIG_IGN, 0n, 0n, 0n]).buffer);
    strictEqual(await caller.call("rt_sigaction", [SIGUSR1, ignore, 0, 8]), 0n);
    const { value, hits } = await bench.during(caller, "prctl", [NO_OPTION]);
    strictEqual(value, EINVAL, "it ignores the signal");
    deepStrictEqual(hits.map(({ effect }) => effect), [
      { kind: "signal", parameter: SIGUSR1, isEnforced: true },
    ]);
    const usual = new Uint8Array(32);
    strictEqual(await caller.call("rt_sigaction", [SIGUSR1, usual, 0, 8]), 0n);
    await rejects(caller.call("prctl", [NO_OPTION]), (error) => {
      ok(error instanceof CallerEnded);
      strictEqual(error.status.signal, "SIGUSR1");
      return true;
    });
  },
});

kernelTest({
  name: "the agent is never enforced upon, only told",
  async run() {
    await using bench0 = new PolicyKernelBench();
    await using agent = await bench0.caller();
    const pidNamespace = Number(/\d+/.exec(Deno.readLinkSync(`/proc/${agent.pid}/ns/pid`))![0]);
    await using bench = new PolicyKernelBench({
      agent: { tgid: agent.pid, pidNamespace },
    });
    Deno.writeTextFileSync(`${bench.cgroup.directory}/cgroup.procs`, `${agent.pid}`);
    await bench.add(makePolicy("kills", {
      ...{ call: "prctl", mode: "enforce" },
      selectors: [{ actions: [SIGKILL, POST] }],
    }));
    const { value, hits } = await bench.during(agent, "prctl", [NO_OPTION]);
    strictEqual(value, EINVAL);
    deepStrictEqual(hits.map(({ effect }) => effect?.isEnforced), [false]);
    await agent.end();
  },
});

kernelTest({
  name: "what a call returns is matched, told and acted upon at its end",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const returned = condition({ of: "return" }, numbers(-22));
    await bench.add(
      makePolicy("failed", {
        ...{ call: "prctl", types: ["nop", "uint32"], returns: "int32" },
        selectors: [{ conditions: [returned, argumentIs(1, numbers(5))] }],
      }),
      makePolicy("told", {
        ...{ call: "getpriority", types: ["uint32"], returns: "int32" },
      }),
    );
    deepStrictEqual(bench.kernel.programs().sort(), [
      "on_sys_enter",
      "on_sys_exit",
      "on_thread_end",
    ]);
    const { hits } = await bench.during(caller, "prctl", [NO_OPTION, 5]);
    deepStrictEqual(
      hits.map(({ phase, expectsReturn, returnValue }) => [phase, expectsReturn, returnValue]),
      [
        ["call", true, 0n],
        ["return", false, EINVAL],
      ],
    );
    deepStrictEqual(bench.actsOf(hits).map(({ policy, hit }) => [policy, hit.phase]), [
      ["failed", "return"],
    ]);
    deepStrictEqual((await bench.during(caller, "prctl", [NO_OPTION, 6])).hits, []);
    // PR_GET_DUMPABLE does not fail: the call is told, its end says that nothing matched.
    const fine = await bench.during(caller, "prctl", [3, 5]);
    deepStrictEqual(fine.hits.map(({ phase, words }) => [phase, words.length]), [["call", 0], [
      "return",
      0,
    ]]);
    const told = await bench.during(caller, "getpriority", [0]);
    deepStrictEqual(bench.actsOf(told.hits).map(({ policy, hit }) => [policy, hit.phase]), [
      ["told", "call"],
      ["told", "return"],
    ]);
    strictEqual(told.hits[1]!.returnValue, told.value);
    strictEqual(bench.lost, 0);
  },
});

kernelTest({
  name: "a process is killed for what its call has returned",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const isError = condition({ of: "return" }, range(true, -4095, -1));
    await bench.add(makePolicy("kills", {
      ...{ call: "prctl", returns: "int64", mode: "enforce" },
      selectors: [{ conditions: [isError], actions: [SIGKILL] }],
    }));
    strictEqual(await caller.call("prctl", [3]) >= 0n, true);
    await rejects(caller.call("prctl", [NO_OPTION]), CallerEnded);
  },
});

kernelTest({
  name: "ends of calls that are under way at once are all told",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    const callers = await Promise.all(Array.from({ length: 12 }, () => bench.caller()));
    await bench.add(makePolicy("told", { call: "nanosleep", returns: "int32" }));
    const minutes = new Uint8Array(new BigUint64Array([600n, 0n]).buffer);
    const calls = callers.map((caller) => caller.call("nanosleep", [minutes, 0]));
    await bench.waitFor(() => bench.soFar().length === callers.length);
    for (const signal of ["SIGSTOP", "SIGCONT"] as const) {
      for (const { pid } of callers) Deno.kill(pid, signal);
    }
    const ended = () => bench.soFar().filter(({ phase }) => phase === "return");
    await bench.waitFor(() => ended().length === callers.length);
    deepStrictEqual(new Set(ended().map(({ tgid }) => tgid)), new Set(callers.map((c) => c.pid)));
    for (const { pid } of callers) Deno.kill(pid, "SIGKILL");
    await Promise.allSettled(calls);
  },
});

kernelTest({
  name: "only workloads of the set are concerned, and cgroups made below them",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    using below = bench.cgroup.make("below");
    await using outside = await SystemCaller.startAnywhere(program);
    await using inside = await SystemCaller.start(program, below);
    await bench.add(makePolicy("all", { call: "prctl" }));
    strictEqual(bench.cgroups.find(below.id)?.policySet, 1, "inherited by the kernel");
    strictEqual((await bench.during(inside, "prctl", [NO_OPTION])).hits.length, 1);
    deepStrictEqual((await bench.during(outside, "prctl", [NO_OPTION])).hits, []);
    const { createdNs } = bench.cgroups.find(below.id)!;
    strictEqual(bench.cgroups.setPolicySet(below.id, createdNs + 1n, 0), false, "another making");
    strictEqual(bench.cgroups.setPolicySet(below.id, createdNs, 0), true);
    deepStrictEqual((await bench.during(inside, "prctl", [NO_OPTION])).hits, []);
    await inside.end();
  },
});

kernelTest({
  name: "32-bit calls by int 0x80 and socketcall do not slip by",
  async run() {
    if (Deno.build.arch !== "x86_64") return;
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const types = ["int32", "uint32"] as const;
    await bench.add(
      makePolicy("priority", {
        call: "getpriority",
        types,
        selectors: [{ conditions: [argumentIs(1, numbers(0xffff_fffe))] }],
      }),
      makePolicy("connects", {
        call: "connect",
        types: ["int32", "sockaddr"],
        selectors: [{ conditions: [argumentIs(1, numbers(443), { part: "destination_port" })] }],
      }),
    );
    const compat = { isCompat: true };
    const probe = await caller.call("getpriority", [0, 0], compat);
    if (probe === -38n) return console.error("skip: this kernel has no 32-bit calls");
    strictEqual((await bench.during(caller, "getpriority", [0, -2], compat)).hits.length, 1);
    deepStrictEqual((await bench.during(caller, "getpriority", [0, -3], compat)).hits, []);
    const address = Uint8Array.of(2, 0, 443 >> 8, 443 & 255, 127, 0, 0, 1, ...Array(8).fill(0));
    const badFd = 999;
    strictEqual(
      (await bench.during(caller, "connect", [badFd, address, 16], compat)).hits.length,
      1,
    );
    const socketcall = { isCompat: true, number: 102 };
    const CONNECT = 3;
    const args = [CONNECT, [badFd, address, 16]];
    const { value, hits } = await bench.during(caller, "socketcall", args, socketcall);
    strictEqual(value, -9n);
    strictEqual(hits.length, 1);
    deepStrictEqual(
      (await bench.during(caller, "socketcall", [2, [badFd, address, 16]], socketcall)).hits,
      [],
    );
    // Number 140 is getpriority of the native table, and something else in the other.
    deepStrictEqual(
      (await bench.during(caller, "x", [0, -2], { isCompat: true, number: 141 })).hits,
      [],
    );
  },
});
