/**
 * System calls and functions that are made to fail where they begin: in guests only, and only on
 * kernels that let programs do so. Debian's 7.2 does (fmod_ret); for bpf_override_return() there is
 * `.out/kernels/override`.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { knownSyscallNames, makeSyscallPolicies, SyscallWays } from "../support/syscall_ways.ts";
import { isKernelSince } from "../../src/loader/mod.ts";
import { type KernelAbilities, planHook, policyOutlook } from "../../src/policy/mod.ts";
import { hookTest, lackingAbilities, openAbilities } from "../support/hook_case.ts";
import { argumentIs, makePolicy, numbers, texts } from "../support/policy_factory.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { IS_GUEST, kernelTest, skipLine } from "../support/require_kernel.ts";
import { SystemCaller } from "../support/system_caller.ts";
import { buildWorkload } from "../support/workload.ts";
import { PolicyCount } from "../../src/wire/mod.ts";

const program = await buildWorkload();
const abilities = openAbilities();

const [EPERM, EACCES, EBADF, ENOSYS] = [1, 13, 9, 38];
const AT_FDCWD = -100;
const WHO = -2;
const X32_BIT = 0x4000_0000;
const RELEASE = Deno.osRelease();
const GETPRIORITY = Deno.build.arch === "aarch64"
  ? "__arm64_sys_getpriority"
  : "__x64_sys_getpriority";

/** A guest's kernel that was built for this, by scripts/build_override_kernel. */
const IS_OVERRIDE_KERNEL = RELEASE.endsWith("-shrike-override");

const WAYS = ["modifySyscall", "overrideReturn"] as const;
const BY = { modifySyscall: "fmod_ret", overrideReturn: "override_return" } as const;

/** The same test for each way that this kernel has, as if it were the only one. */
function eachWay(name: string, run: (bench: PolicyKernelBench, by: string) => Promise<void>): void {
  for (const way of WAYS) {
    kernelTest({
      name: `${name}, by ${BY[way]}`,
      async run() {
        if (!IS_GUEST) return skipLine(name, "it enforces, and this is no guest");
        const ability = abilities[way];
        if (!ability.has) return skipLine(`${name}, by ${BY[way]}`, ability.reason);
        const others = WAYS.filter((other) => other !== way);
        const only = lackingAbilities(abilities, ...others);
        await using bench = new PolicyKernelBench({
          mapEntries: { policy_calls: 1024 },
          abilities: only,
        });
        await run(bench, BY[way]);
        strictEqual(bench.lost, 0);
      },
    });
  }
}

kernelTest({
  name: "what makes system calls fail is found out by a call of the agent's own",
  run() {
    if (!IS_GUEST) return skipLine("abilities", "to try them calls are made to fail");
    const { modifySyscall, overrideReturn } = abilities;
    const expected = isKernelSince(RELEASE, [7, 0]) || IS_OVERRIDE_KERNEL;
    strictEqual(modifySyscall.has, expected, JSON.stringify(modifySyscall));
    // Without the list of functions that may fail only those of the native table are let go.
    strictEqual(abilities.modifyCompat.has, IS_OVERRIDE_KERNEL);
    strictEqual(overrideReturn.has, IS_OVERRIDE_KERNEL, JSON.stringify(overrideReturn));
    for (const name of knownSyscallNames()) {
      const state = abilities.findPoint({ kind: "syscall", name });
      ok(state.exists && state.entries !== undefined);
      // A call that this kernel does not have cannot be told from one with another name.
      if (state.entries.functions.length === 0) continue;
      deepStrictEqual([name, state.entries.unknown], [name, []]);
    }
    checkOutlook(abilities);
    checkOutlook(lackingAbilities(abilities, "modifySyscall"));
    checkOutlook(lackingAbilities(abilities, ...WAYS));
  },
});

function checkOutlook(kernel: KernelAbilities): void {
  const outlook = policyOutlook({
    ...makePolicy("p", {
      call: "getpriority",
      types: ["int32", "int32"],
      selectors: [{
        conditions: [argumentIs(1, numbers(WHO))],
        actions: [{ kind: "override", errno: EPERM }],
      }],
    }),
    require: "prevent",
  }, kernel);
  const by = kernel.modifySyscall.has ? "fmod_ret" : "override_return";
  const [rule] = outlook.rules[0]!;
  if (kernel.modifySyscall.has && !kernel.modifyCompat.has) {
    deepStrictEqual([rule?.guarantee, rule?.by, rule?.isPartial], ["prevent", by, true]);
    match(outlook.obstacles[0]?.text ?? "", /not for all calls here: 32-bit calls go on/);
    return;
  }
  if (kernel.modifySyscall.has || kernel.overrideReturn.has) {
    deepStrictEqual(outlook.obstacles, []);
    deepStrictEqual(rule, { guarantee: "prevent", by });
    return;
  }
  match(outlook.obstacles[0]?.text ?? "", /Override is not possible on syscall getpriority/);
}

/** getpriority(which, -2) fails. */
function guard(mode: "enforce" | "monitor" = "enforce") {
  return makePolicy("guards", {
    ...{ call: "getpriority", mode, types: ["int32", "int32"], returns: "int64" },
    selectors: [{
      conditions: [argumentIs(1, numbers(WHO))],
      actions: [{ kind: "override", errno: EPERM }, { kind: "post" }],
    }],
  });
}

eachWay("Override on a system call fails with the errno, there only, told once", async (bench) => {
  await using caller = await bench.caller();
  await using outside = await SystemCaller.startAnywhere(program);
  const before = await caller.call("getpriority", [0, WHO]);
  await bench.add(guard());
  const call = async (who: number, options = {}) => {
    const { value, hits } = await bench.during(caller, "getpriority", [0, who], options);
    return { value, hits: hits.filter(({ words }) => words.length > 0) };
  };
  const { value, hits } = await call(WHO);
  strictEqual(value, BigInt(-EPERM));
  deepStrictEqual(hits.map(({ phase }) => phase), ["call", "return"]);
  deepStrictEqual(hits[0]!.effect, { kind: "override", parameter: EPERM, isEnforced: true });
  strictEqual(hits[1]!.returnValue, BigInt(-EPERM));
  deepStrictEqual((await call(0)).hits, []);
  ok((await call(0)).value > 0n);
  strictEqual(await outside.call("getpriority", [0, WHO]), before);
  await bench.tables.setMode("guards", "monitor");
  const monitored = await call(WHO);
  strictEqual(monitored.value, before);
  strictEqual(monitored.hits[0]!.effect?.isEnforced, false);
  await bench.tables.setMode("guards", "enforce");
  strictEqual((await call(WHO)).value, BigInt(-EPERM));
  await bench.remove("guards");
  bench.detachUnused();
  deepStrictEqual(bench.kernel.programs(), []);
  strictEqual((await call(WHO)).value, before);
});

/** Whether calls of the 32-bit table fail too. */
function failsCompat(by: string): boolean {
  return by === "override_return" || abilities.modifyCompat.has;
}

/** Calls that were to fail and went on. */
function notFailed(bench: PolicyKernelBench): number {
  return bench.count(PolicyCount.POLICY_COUNT_NOT_FAILED);
}

eachWay("Override on system calls with texts and addresses, by every table", async (bench, by) => {
  await using caller = await bench.caller();
  const path = Deno.makeTempFileSync();
  const connects = (name: string, port: number, call: string, errno: number) =>
    makePolicy(name, {
      ...{ call, mode: "enforce", types: ["int32", "sockaddr"] },
      selectors: [{
        conditions: [argumentIs(1, numbers(port), { part: "destination_port" })],
        actions: [{ kind: "override", errno }],
      }],
    });
  await bench.add(
    makePolicy("opens", {
      ...{ call: "openat", mode: "enforce", types: ["int32", "string"] },
      selectors: [{
        conditions: [argumentIs(1, texts("text", path))],
        actions: [{ kind: "override", errno: EACCES }],
      }],
    }),
    connects("connects", 443, "connect", EACCES),
    connects("binds", 444, "bind", EPERM),
    guard(),
  );
  strictEqual(await caller.call("openat", [AT_FDCWD, path, 0]), BigInt(-EACCES));
  const address = (port: number) =>
    Uint8Array.of(2, 0, port >> 8, port & 255, 127, 0, 0, 1, ...Array(8).fill(0));
  strictEqual(await caller.call("connect", [999, address(443), 16]), BigInt(-EACCES));
  strictEqual(await caller.call("connect", [999, address(442), 16]), BigInt(-EBADF));
  strictEqual(await caller.call("bind", [999, address(444), 16]), BigInt(-EPERM));
  const number = 140;
  if (Deno.build.arch !== "x86_64") return;
  const x32 = await caller.call("", [0, WHO], { number: X32_BIT | number });
  ok([-EPERM, -ENOSYS].includes(Number(x32)), String(x32));
  const compat = { isCompat: true };
  const probe = await caller.call("getpriority", [0, 0], compat);
  if (probe === BigInt(-ENOSYS)) return skipLine("Override by every table", "no 32-bit calls");
  // Where x32 is switched off, what was decided for it is of no other call.
  ok(await caller.call("getpriority", [0, 0]) > 0n);
  const before = notFailed(bench);
  strictEqual(before, x32 === BigInt(-ENOSYS) ? 1 : 0);
  if (!failsCompat(by)) return await checkCompatGoesOn(bench, caller);
  strictEqual(await caller.call("getpriority", [0, WHO], compat), BigInt(-EPERM));
  strictEqual(await caller.call("openat", [AT_FDCWD, path, 0], compat), BigInt(-EACCES));
  strictEqual(await caller.call("connect", [999, address(443), 16], compat), BigInt(-EACCES));
  const socketcall = async (call: number, port: number) =>
    Number(
      await caller.call("", [call, [999, address(port), 16]], { isCompat: true, number: 102 }),
    );
  const [BIND, CONNECT] = [2, 3];
  deepStrictEqual(
    [await socketcall(CONNECT, 443), await socketcall(CONNECT, 442)],
    [-EACCES, -EBADF],
  );
  deepStrictEqual([await socketcall(BIND, 444), await socketcall(BIND, 443)], [-EPERM, -EBADF]);
  strictEqual(notFailed(bench), before);
  Deno.removeSync(path);
});

/** It is told that the call went on, it is counted, and the next call is not taken for it. */
async function checkCompatGoesOn(bench: PolicyKernelBench, caller: SystemCaller): Promise<void> {
  const before = notFailed(bench);
  const compat = await bench.during(caller, "getpriority", [0, WHO], { isCompat: true });
  ok(compat.value !== BigInt(-EPERM));
  const told = compat.hits.find(({ words }) => words.length > 0);
  deepStrictEqual(told?.effect, { kind: "override", parameter: EPERM, isEnforced: false });
  strictEqual(notFailed(bench), before + 1);
  ok(await caller.call("getpriority", [0, 0]) > 0n);
  strictEqual(await caller.call("getpriority", [0, WHO]), BigInt(-EPERM));
}

eachWay("Override by every way into every system call that is tried", async (bench, by) => {
  await using caller = await bench.caller();
  const ways = new SyscallWays((name) => {
    const plan = planHook({ kind: "syscall", name }, bench.kernel.abilities);
    return "means" in plan && plan.override.has;
  }, failsCompat(by));
  for (const names of ways.batches()) {
    const policies = makeSyscallPolicies(names);
    await bench.add(...policies);
    for (const name of names) deepStrictEqual(await ways.slippedBy(caller, name), [], name);
    bench.take();
    await bench.remove(...policies.map((policy) => policy.name));
    bench.detachUnused();
  }
  ok(ways.tried > ways.absent);
  ok(notFailed(bench) <= ways.absent, `${notFailed(bench)} went on, ${ways.absent} are not there`);
});

eachWay("Override on calls of several processes at once: none slips by", async (bench) => {
  await bench.add(guard());
  const callers = await Promise.all([1, 2, 3, 4].map(() => bench.caller()));
  const values = await Promise.all(callers.map(async (caller) => {
    const seen = new Set<bigint>();
    for (let i = 0; i < 200; i++) seen.add(await caller.call("getpriority", [0, WHO]));
    return [...seen];
  }));
  bench.take();
  deepStrictEqual(values, callers.map(() => [BigInt(-EPERM)]));
  strictEqual(notFailed(bench), 0);
  await Promise.all(callers.map((caller) => caller.end()));
});

eachWay("Override on a function that the kernel lets be replaced", async (bench, by) => {
  await using caller = await bench.caller();
  const point = { kind: "kprobe", name: GETPRIORITY } as const;
  const actions = [{ kind: "override", errno: EACCES }, { kind: "post" }] as const;
  const before = await caller.call("getpriority", [0, 0]);
  await bench.add(
    makePolicy("fails", { point, mode: "enforce", returns: "int64", selectors: [{ actions }] }),
  );
  const names = by === "fmod_ret"
    ? ["on_security", "on_security_end"]
    : ["on_function_end", "on_function_fails"];
  deepStrictEqual(
    bench.kernel.programs().sort(),
    names.map((name) => `${name} (kprobe ${GETPRIORITY})`),
  );
  const { value, hits } = await bench.during(caller, "getpriority", [0, 0]);
  strictEqual(value, BigInt(-EACCES));
  const told = hits.filter(({ words }) => words.length > 0);
  deepStrictEqual(told.map(({ phase }) => phase), ["call", "return"]);
  strictEqual(told[1]!.returnValue, BigInt(-EACCES));
  await bench.remove("fails");
  bench.detachUnused();
  deepStrictEqual(bench.kernel.programs(), []);
  strictEqual(await caller.call("getpriority", [0, 0]), before);
});

kernelTest({
  name: "Override on exit_group and exit is refused with the reason; they are hooked and end",
  async run() {
    const calls = ["exit_group", "exit"].map((name) => ({ kind: "syscall", name }) as const);
    for (const point of calls) {
      const { obstacles, rules } = policyOutlook(
        makePolicy("p", {
          ...{ point, mode: "enforce" },
          selectors: [{ actions: [{ kind: "override", errno: EPERM }] }],
        }),
        abilities,
      );
      match(obstacles[0]?.text ?? "", /^Override is not possible on syscall exit.*never returns/);
      strictEqual(rules[0]?.[0]?.guarantee, "observe");
    }
    await using bench = new PolicyKernelBench({ mapEntries: { policy_calls: 1024 }, abilities });
    const caller = await bench.caller();
    await bench.add(
      ...calls.map((point) =>
        makePolicy(point.name, {
          point,
          types: ["int32"],
          selectors: [{ actions: [{ kind: "post" }] }],
        })
      ),
    );
    await caller.end();
    const told = bench.take().filter(({ words }) => words.length > 0);
    ok(told.length >= 1, "the end of the caller is reported");
    strictEqual(bench.lost, 0);
  },
});

kernelTest({
  name: "what the verifier does not take at a function is known before it is needed",
  run() {
    if (!IS_GUEST) return skipLine("accepts()", "it tries programs that guests have");
    strictEqual(abilities.accepts("fmod_ret", GETPRIORITY).has, abilities.modifySyscall.has);
    const exit = GETPRIORITY.replace("getpriority", "exit_group");
    const refused = abilities.accepts("fmod_ret", exit);
    ok(!refused.has);
    console.log(refused.reason);
    if (abilities.modifySyscall.has) match(refused.reason, /__noreturn function/);
    strictEqual(
      abilities.accepts("fmod_ret", "security_file_open").has,
      abilities.modifyReturn.has,
    );
    ok(!abilities.accepts("fmod_ret", "vfs_open").has);
    ok(abilities.accepts("lsm", "file_open").has);
    ok(!abilities.accepts("lsm", "no_such_hook").has);
  },
});

hookTest(abilities, {
  name: "Override is refused on functions that the kernel does not let be replaced",
  needs: ["kprobe"],
  enforces: true,
  run() {
    const { obstacles } = policyOutlook(
      makePolicy("p", {
        point: { kind: "kprobe", name: "vfs_open" },
        selectors: [{ actions: [{ kind: "override", errno: EPERM }] }],
      }),
      abilities,
    );
    match(obstacles[0]?.text ?? "", /the kernel lets nobody change what vfs_open returns/);
    return Promise.resolve();
  },
});
