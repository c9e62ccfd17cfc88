/**
 * How a hook is had on a kernel: by what kind of program, attached to what.
 *
 * @module
 */
import type { KernelAbilities, PointState, SyscallFunctions } from "./kernel_abilities.ts";
import type { HookPoint } from "./model.ts";
import { neverReturns, noReturnText } from "./no_return.ts";

/** The kind of program that serves a hook. */
export type HookMeans =
  | "syscall"
  | "kprobe"
  | "override_return"
  | "fmod_ret"
  | "lsm"
  | "tracepoint"
  | "raw_tracepoint";

/** What makes calls fail. */
export type OverrideMeans = "lsm" | "fmod_ret" | "override_return";

/** Whether calls can be made to fail, and how; if not, why. */
export type OverridePlan =
  | {
    readonly has: true;
    readonly by: OverrideMeans;
    /** Functions of a system call where programs of their own do it; elsewhere the hook's does. */
    readonly entries: readonly string[];
    /** Why calls of the 32-bit table go on, when they do. */
    readonly compatGoesOn?: string;
  }
  | { readonly has: false; readonly reason: string };

/** How a hook is served. */
export interface HookPlan {
  readonly means: HookMeans;
  /** What the program is attached to: a function, an LSM hook, a tracepoint. */
  readonly target: string;
  /** Of a system call the kernel is only tried when somebody asks. */
  readonly override: OverridePlan;
  /** Why it is not a stronger program, where the kernel takes such elsewhere and not here. */
  readonly weaker?: string;
}

/** Why a hook cannot be had. */
export interface HookObstacle {
  readonly reason: string;
  readonly hint: string;
  /** It is a matter of the point alone: the kernel has none of this name. */
  readonly isMissing: boolean;
}

const SECURITY = "security_";
/** How a point is hooked on this kernel. */
export function planHook(point: HookPoint, abilities: KernelAbilities): HookPlan | HookObstacle {
  const state = abilities.findPoint(point);
  if (!state.exists) return { reason: state.reason, hint: state.hint, isMissing: true };
  switch (point.kind) {
    case "syscall":
      return {
        means: "syscall",
        target: point.name,
        get override() {
          return planSyscallOverride(point, state, abilities);
        },
      };
    case "tracepoint":
      return abilities.tracepoint.has
        ? { means: "tracepoint", target: point.name, override: no(TRACEPOINT_REASON) }
        : obstacle(abilities.tracepoint.reason, "mount tracefs, or use raw: true");
    case "raw_tracepoint":
      return { means: "raw_tracepoint", target: point.name, override: no(TRACEPOINT_REASON) };
    case "lsm":
      return planLsm(point.name, state, abilities);
    case "kprobe":
      return planKprobe(point.name, state, abilities);
  }
}

const TRACEPOINT_REASON = "a tracepoint only tells";

/** Programs at the functions of the call, which return what the hook's program has decided. */
function planSyscallOverride(
  point: HookPoint,
  state: PointState & { exists: true },
  abilities: KernelAbilities,
): OverridePlan {
  if (neverReturns(point)) return no(noReturnText(point));
  const { entries } = state;
  if (entries === undefined || entries.functions.length === 0) {
    return no("the kernel has no function for it");
  }
  // Half a wall is none: the call would go on by the way that is left.
  if (entries.unknown.length > 0) {
    return no(`the function of ${entries.unknown.join(" and ")} is not known`);
  }
  const { modifySyscall, overrideReturn } = abilities;
  const plan = modifySyscall.has ? planModify(entries, abilities) : no(modifySyscall.reason);
  if (plan.has) return plan;
  if (overrideReturn.has) return yes("override_return", entries.functions);
  return no(`${plan.reason}; ${overrideReturn.reason}`);
}

function planModify(
  { functions, compat, isTyped }: SyscallFunctions,
  { modifyCompat, accepts }: KernelAbilities,
): OverridePlan {
  const isWhole = compat.length === 0 || modifyCompat.has;
  const entries = isWhole ? functions : functions.filter((name) => !compat.includes(name));
  if (!entries.every(isTyped)) return no("the kernel's types have not all functions of it");
  for (const name of entries) {
    const accepted = accepts("fmod_ret", name);
    if (!accepted.has) return no(accepted.reason);
  }
  const plan = yes("fmod_ret", entries);
  return isWhole || modifyCompat.has ? plan : { ...plan, compatGoesOn: modifyCompat.reason };
}

function planKprobe(
  name: string,
  state: PointState & { exists: true },
  abilities: KernelAbilities,
): HookPlan | HookObstacle {
  if (name.startsWith(SECURITY)) return planSecurity(name, state, abilities);
  const { kprobe } = abilities;
  const { replacedBy, returnsError } = state;
  if (replacedBy !== undefined && returnsError && !neverReturns({ kind: "kprobe", name })) {
    return { means: replacedBy, target: name, override: yes(replacedBy) };
  }
  if (!kprobe.has) return obstacle(kprobe.reason, "hook a system call, or a tracepoint");
  const point = { kind: "kprobe", name } as const;
  const override = no(
    neverReturns(point)
      ? noReturnText(point)
      : `the kernel lets nobody change what ${name} returns`,
  );
  return { means: "kprobe", target: name, override };
}

/** An LSM hook: as such, else the function that calls it. */
function planLsm(
  name: string,
  state: PointState & { exists: true },
  abilities: KernelAbilities,
): HookPlan | HookObstacle {
  const lsm = abilities.lsm.has ? abilities.accepts("lsm", name) : abilities.lsm;
  if (lsm.has) return { means: "lsm", target: name, override: mayFail(state, yes("lsm")) };
  const hint = "boot with lsm=...,bpf on a kernel built with CONFIG_BPF_LSM";
  if (state.securityFunction === undefined) {
    return obstacle(`${lsm.reason}, and no function of it has the same arguments`, hint);
  }
  const plan = planSecurity(state.securityFunction, state, abilities);
  if (!("means" in plan)) return obstacle(`${lsm.reason}; ${plan.reason}`, hint);
  return abilities.lsm.has ? { ...plan, weaker: lsm.reason } : plan;
}

/** A function security_...: one that may return something else, if it has anything to return. */
function planSecurity(
  target: string,
  state: PointState & { exists: true },
  { modifyReturn, kprobe, accepts }: KernelAbilities,
): HookPlan | HookObstacle {
  const mayModify = modifyReturn.has && state.returnsError;
  const modify = mayModify ? accepts("fmod_ret", target) : modifyReturn;
  if (mayModify && modify.has) {
    return { means: "fmod_ret", target, override: yes("fmod_ret") };
  }
  if (kprobe.has) {
    const override = modify.has ? no("it returns no error") : no(modify.reason);
    const plan = { means: "kprobe", target, override: mayFail(state, override) } as const;
    return mayModify && !modify.has ? { ...plan, weaker: modify.reason } : plan;
  }
  return obstacle(
    state.returnsError && !modify.has ? modify.reason : kprobe.reason,
    "hook a system call, or a tracepoint",
  );
}

function mayFail(
  { returnsError }: PointState & { exists: true },
  plan: OverridePlan,
): OverridePlan {
  return returnsError ? plan : no("it returns no error");
}

function yes(
  by: OverrideMeans,
  entries: readonly string[] = [],
): OverridePlan & { readonly has: true } {
  return { has: true, by, entries };
}

function no(reason: string): { readonly has: false; readonly reason: string } {
  return { has: false, reason };
}

function obstacle(reason: string, hint: string): HookObstacle {
  return { reason, hint, isMissing: false };
}
