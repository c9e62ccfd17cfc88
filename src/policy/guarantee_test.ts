import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import {
  argumentIs,
  makePolicy,
  type PolicyParts,
  texts,
} from "../../tests/support/policy_factory.ts";
import { policyGuarantee, policyOutlook } from "./guarantee.ts";
import { planHook } from "./plan_hook.ts";
import type { Ability, KernelAbilities, PointState, SyscallFunctions } from "./kernel_abilities.ts";
import type { Action, Policy } from "./model.ts";

const YES: Ability = { has: true };
const FILE_OPEN = { kind: "lsm", name: "file_open" } as const;
const OVERRIDE: Action = { kind: "override", errno: 1 };

/** A kernel that can do everything, but for what a test takes away. */
function kernel(
  change: Partial<KernelAbilities> = {},
  points: Readonly<Record<string, PointState>> = {},
): KernelAbilities {
  return {
    ...{ kprobe: YES, tracepoint: YES, lsm: YES, modifyReturn: YES, kprobeMulti: YES },
    ...{ modifySyscall: no("not modifiable"), overrideReturn: no("not built in") },
    modifyCompat: no("protected"),
    accepts: () => YES,
    findPoint: (point) =>
      points[point.name] ??
        (point.kind === "lsm"
          ? { exists: true, returnsError: true, securityFunction: `security_${point.name}` }
          : { exists: true, returnsError: true }),
    ...change,
  };
}

function no(reason: string): Ability {
  return { has: false, reason };
}

function policyWith(point: PolicyParts["point"], ...actions: Action[]): Policy {
  return makePolicy("p", { ...(point && { point }), call: "openat", selectors: [{ actions }] });
}

function meansOf(point: NonNullable<PolicyParts["point"]>, abilities: KernelAbilities) {
  const plan = planHook(point, abilities);
  return "means" in plan ? [plan.means, plan.target, plan.override.has] : plan.reason;
}

Deno.test("planHook() goes down the ladder: LSM, fmod_ret, kprobe, refusal", () => {
  deepStrictEqual(meansOf(FILE_OPEN, kernel()), ["lsm", "file_open", true]);
  const noLsm = { lsm: no("no bpf") };
  deepStrictEqual(meansOf(FILE_OPEN, kernel(noLsm)), ["fmod_ret", "security_file_open", true]);
  const noModify = { ...noLsm, modifyReturn: no("no trampoline") };
  deepStrictEqual(meansOf(FILE_OPEN, kernel(noModify)), ["kprobe", "security_file_open", false]);
  const nothing = { ...noModify, kprobe: no("no kprobes") };
  strictEqual(meansOf(FILE_OPEN, kernel(nothing)), "no bpf; no trampoline");
});

Deno.test("planHook() does not stand in a function that has other arguments", () => {
  const points = { mmap_file: { exists: true, returnsError: true } } as const;
  const abilities = kernel({ lsm: no("no bpf") }, points);
  match(String(meansOf({ kind: "lsm", name: "mmap_file" }, abilities)), /no bpf, and no function/);
});

Deno.test("planHook() overrides nothing that returns no error, and only security_ functions", () => {
  const points = { security_cred_free: { exists: true, returnsError: false } } as const;
  const probe = (name: string) => meansOf({ kind: "kprobe", name }, kernel({}, points));
  deepStrictEqual(probe("security_cred_free"), ["kprobe", "security_cred_free", false]);
  deepStrictEqual(probe("security_file_open"), ["fmod_ret", "security_file_open", true]);
  deepStrictEqual(probe("tcp_connect"), ["kprobe", "tcp_connect", false]);
});

Deno.test("policyOutlook() gives each rule the strongest guarantee its actions have there", () => {
  const guarantee = (point: PolicyParts["point"], ...actions: Action[]) =>
    policyOutlook(policyWith(point, ...actions), kernel()).rules[0]?.[0];
  const prevents = { guarantee: "prevent", by: "lsm" };
  deepStrictEqual(guarantee(FILE_OPEN, OVERRIDE, { kind: "sigkill" }), prevents);
  deepStrictEqual(guarantee(FILE_OPEN, { kind: "post" }), { guarantee: "observe" });
  strictEqual(guarantee(undefined, { kind: "sigkill" })?.guarantee, "kill-after");
  strictEqual(guarantee(undefined, { kind: "signal", signal: 9 })?.guarantee, "kill-after");
  const term = guarantee(undefined, { kind: "signal", signal: 15 });
  deepStrictEqual(term, { guarantee: "observe", reason: "signal 15 need not end the process" });
});

Deno.test("policyOutlook() refuses an Override that cannot be, and tells what can", () => {
  const { obstacles } = policyOutlook(policyWith(undefined, OVERRIDE), kernel());
  strictEqual(obstacles.length, 1);
  match(obstacles[0]!.text, /^Override is not possible on syscall openat/);
  match(obstacles[0]!.hint, /LSM hook file_open/);
  const weak = kernel({ lsm: no("no bpf"), modifyReturn: no("no trampoline") });
  match(policyOutlook(policyWith(FILE_OPEN, OVERRIDE), weak).obstacles[0]!.text, /no trampoline/);
  deepStrictEqual(policyOutlook(policyWith(FILE_OPEN, OVERRIDE), kernel()).obstacles, []);
});

/** getpid, which the kernel enters by these functions. */
const GETPID = { kind: "syscall", name: "getpid" } as const;
const NATIVE = "__x64_sys_getpid";
const COMPAT = "__ia32_sys_getpid";
const ENTRIES = { functions: [NATIVE, COMPAT], compat: [COMPAT], isTyped: () => true, unknown: [] };

function syscallKernel(
  change: Partial<KernelAbilities>,
  entries: Partial<SyscallFunctions> = {},
): KernelAbilities {
  const state = { exists: true, returnsError: true, entries: { ...ENTRIES, ...entries } } as const;
  return kernel(change, { getpid: state });
}

function overrideOf(abilities: KernelAbilities) {
  const plan = planHook(GETPID, abilities);
  ok("means" in plan);
  strictEqual(plan.means, "syscall");
  return plan.override;
}

Deno.test("planHook() makes system calls fail at their functions: fmod_ret, override_return", () => {
  const all = { modifySyscall: YES, modifyCompat: YES, overrideReturn: YES };
  const has = (by: string) => ({ has: true, by, entries: ENTRIES.functions });
  deepStrictEqual(overrideOf(syscallKernel(all)), has("fmod_ret"));
  const noModify = { ...all, modifySyscall: no("not modifiable") };
  deepStrictEqual(overrideOf(syscallKernel(noModify)), has("override_return"));
  deepStrictEqual(overrideOf(syscallKernel(all, { isTyped: () => false })), has("override_return"));
  deepStrictEqual(overrideOf(syscallKernel({})), no("not modifiable; not built in"));
});

Deno.test("planHook() takes the next rung where the verifier refuses a program, and says why", () => {
  const refuses = (...targets: string[]) => (_means: string, target: string): Ability =>
    targets.includes(target) ? no(`refused at ${target}`) : YES;
  const planOf = (change: Partial<KernelAbilities>) => {
    const plan = planHook(FILE_OPEN, kernel(change));
    return "means" in plan ? [plan.means, plan.weaker, plan.override.has] : plan.reason;
  };
  const refused = "refused at file_open";
  deepStrictEqual(planOf({ accepts: refuses("file_open") }), ["fmod_ret", refused, true]);
  const both = { accepts: refuses("file_open", "security_file_open") };
  deepStrictEqual(planOf(both), ["kprobe", refused, false]);
  deepStrictEqual(
    planOf({ ...both, kprobe: no("no kprobes") }),
    "refused at file_open; refused at security_file_open",
  );
  const accepts = refuses(COMPAT);
  const able = { modifySyscall: YES, modifyCompat: YES, accepts };
  deepStrictEqual(
    overrideOf(syscallKernel({ ...able, overrideReturn: YES })),
    { has: true, by: "override_return", entries: ENTRIES.functions },
  );
  deepStrictEqual(
    overrideOf(syscallKernel(able)),
    no(`refused at ${COMPAT}; not built in`),
  );
});

Deno.test("planHook() lets nobody override what never returns, on any kernel", () => {
  const able = kernel({ modifySyscall: YES, modifyCompat: YES, overrideReturn: YES }, {
    exit_group: {
      ...{ exists: true, returnsError: true },
      entries: { ...ENTRIES, functions: ["__x64_sys_exit_group"], compat: [] },
    },
    __x64_sys_exit: { exists: true, returnsError: true, replacedBy: "fmod_ret" },
  });
  const points = [{ kind: "syscall", name: "exit_group" }, {
    kind: "kprobe",
    name: "__x64_sys_exit",
  }] as const;
  for (const point of points) {
    const { obstacles: [obstacle], rules } = policyOutlook(policyWith(point, OVERRIDE), able);
    match(obstacle!.text, /^Override is not possible on .*exit.*: .* never returns/);
    match(obstacle!.hint, /take Override away/);
    strictEqual(rules[0]![0]!.guarantee, "observe");
    deepStrictEqual(policyOutlook(policyWith(point, { kind: "post" }), able).obstacles, []);
  }
});

Deno.test("planHook() lets no way into a system call be forgotten", () => {
  const able = { modifySyscall: YES, overrideReturn: YES };
  deepStrictEqual(
    overrideOf(syscallKernel(able, { unknown: ["the 32-bit call getpid"] })),
    no("the function of the 32-bit call getpid is not known"),
  );
  deepStrictEqual(
    overrideOf(syscallKernel(able, { functions: [] })),
    no("the kernel has no function for it"),
  );
  deepStrictEqual(overrideOf(syscallKernel(able)), {
    ...{ has: true, by: "fmod_ret", entries: [NATIVE], compatGoesOn: "protected" },
  });
});

Deno.test("planHook() tries the kernel for a system call only when somebody wants it to fail", () => {
  const tried: string[] = [];
  const abilities: KernelAbilities = {
    ...syscallKernel({}),
    get modifySyscall() {
      tried.push("modifySyscall");
      return YES;
    },
  };
  const kills = makePolicy("p", { point: GETPID, selectors: [{ actions: [{ kind: "sigkill" }] }] });
  deepStrictEqual(policyOutlook(kills, abilities).obstacles, []);
  deepStrictEqual(tried, []);
  policyOutlook(policyWith(GETPID, OVERRIDE), abilities);
  ok(tried.length > 0);
});

Deno.test("planHook() replaces what functions return where the kernel lets it", () => {
  const plan = (replacedBy: "fmod_ret" | "override_return", returnsError: boolean) =>
    meansOf(
      { kind: "kprobe", name: "f" },
      kernel({}, { f: { exists: true, returnsError, replacedBy } }),
    );
  deepStrictEqual(plan("fmod_ret", true), ["fmod_ret", "f", true]);
  deepStrictEqual(plan("override_return", true), ["override_return", "f", true]);
  deepStrictEqual(plan("override_return", false), ["kprobe", "f", false]);
});

Deno.test("policyOutlook() tells what a call that is made to fail does not see", () => {
  const rule = (abilities: KernelAbilities, policy = policyWith(GETPID, OVERRIDE)) =>
    policyOutlook(policy, abilities).rules[0]![0];
  const whole = syscallKernel({ modifySyscall: YES, modifyCompat: YES });
  deepStrictEqual(rule(whole), { guarantee: "prevent", by: "fmod_ret" });
  const partial = syscallKernel({ modifySyscall: YES });
  deepStrictEqual(rule(partial), {
    ...{ guarantee: "prevent", by: "fmod_ret", isPartial: true },
    reason: "32-bit calls go on: protected",
  });
  const required = { ...policyWith(GETPID, OVERRIDE), require: "prevent" } as const;
  match(policyOutlook(required, partial).obstacles[0]!.text, /not for all calls here: 32-bit/);
  deepStrictEqual(policyOutlook(required, whole).obstacles, []);
  const memory = makePolicy("p", {
    ...{ point: GETPID, types: ["string"] },
    selectors: [{ conditions: [argumentIs(0, texts("text", "x"))], actions: [OVERRIDE] }],
  });
  match(rule(whole, memory)?.reason ?? "", /another thread may change/);
  const memoryRequired = { ...memory, require: "prevent" } as const;
  match(policyOutlook(memoryRequired, whole).obstacles[0]!.text, /not for all calls here: another/);
});

Deno.test("policyOutlook() refuses less than what is required", () => {
  const outlook = (policy: Policy) => policyOutlook(policy, kernel()).obstacles;
  const kills = policyWith(undefined, { kind: "sigkill" });
  match(outlook({ ...kills, require: "prevent" })[0]!.text, /this rule is kill-after here/);
  deepStrictEqual(outlook({ ...kills, require: "kill-after" }), []);
  const tells = policyWith(FILE_OPEN, { kind: "post" });
  match(outlook({ ...tells, require: "prevent" })[0]!.text, /no rule of it does more/);
  deepStrictEqual(outlook({ ...tells, require: "observe" }), []);
});

Deno.test("policyOutlook() leaves out hooks that may be missing, and refuses the others", () => {
  const missing: PointState = { exists: false, reason: "no such", hint: "did you mean vfs_open?" };
  const abilities = kernel({}, { vfs_opn: missing });
  const good = policyWith(FILE_OPEN, OVERRIDE);
  const bad = makePolicy("p", { point: { kind: "kprobe", name: "vfs_opn" } }).hooks[0]!;
  const refused = policyOutlook({ ...good, hooks: [bad, ...good.hooks] }, abilities);
  deepStrictEqual(refused.obstacles.map(({ text, hint }) => [text, hint]), [
    ["no such", "did you mean vfs_open?"],
  ]);
  const optional = { ...bad, mayBeMissing: true } as const;
  const outlook = policyOutlook({ ...good, hooks: [optional, ...good.hooks] }, abilities);
  deepStrictEqual([outlook.obstacles, outlook.leftOut], [[], [{
    hook: optional,
    reason: "no such",
  }]]);
  deepStrictEqual(outlook.rules, [
    [{ guarantee: "observe", reason: "no such" }],
    [{ guarantee: "prevent", by: "lsm" }],
  ]);
  strictEqual(policyGuarantee({ ...good, hooks: [optional, ...good.hooks] }, outlook), "prevent");
  const none = policyOutlook({ ...good, hooks: [optional] }, abilities);
  match(none.obstacles[0]!.text, /none of its hooks/);
});

Deno.test("policyOutlook() refuses arguments that a function does not have", () => {
  const points = { vfs_open: { exists: true, returnsError: true, argCount: 2 } } as const;
  const policy = makePolicy("p", {
    point: { kind: "kprobe", name: "vfs_open" },
    types: ["path", "file", "int32"],
  });
  const { obstacles } = policyOutlook(policy, kernel({}, points));
  ok(obstacles.length === 1);
  match(obstacles[0]!.text, /has 2 arguments here, none with index 2/);
});
