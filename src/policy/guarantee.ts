/**
 * How sure it is on a kernel that what a rule forbids does not happen.
 *
 * @module
 */
import type { KernelAbilities } from "./kernel_abilities.ts";
import type {
  ArgumentType,
  Guarantee,
  HookPoint,
  Place,
  Policy,
  PolicyHook,
  Selector,
} from "./model.ts";
import { neverReturns, NO_RETURN_HINT } from "./no_return.ts";
import {
  type HookObstacle,
  type HookPlan,
  type OverrideMeans,
  type OverridePlan,
  planHook,
} from "./plan_hook.ts";

/** What comes of a selector. */
export interface RuleGuarantee {
  readonly guarantee: Guarantee;
  /** Of "prevent": what makes the call fail. */
  readonly by?: OverrideMeans;
  /** Why it is no stronger one, when it has an action that asks for one. */
  readonly reason?: string;
  /** Not all ways into the call are covered: `require` takes it for less than it is. */
  readonly isPartial?: true;
}

/** A part of a policy that cannot be had here. */
export interface PolicyObstacle {
  readonly place: Place;
  readonly text: string;
  readonly hint: string;
}

/** What comes of a policy on this kernel. */
export interface PolicyOutlook {
  /** Empty: it can be loaded. */
  readonly obstacles: readonly PolicyObstacle[];
  /** Hooks that are left out, as the policy allows (`ignore.callNotFound`), and why. */
  readonly leftOut: readonly { readonly hook: PolicyHook; readonly reason: string }[];
  /** By position of hook and selector; of hooks that cannot be had "observe" with the reason. */
  readonly rules: readonly (readonly RuleGuarantee[])[];
}

const STRENGTH: Readonly<Record<Guarantee, number>> = { observe: 0, "kill-after": 1, prevent: 2 };
/** What a selector comes to where its hook is served as planned. */
function ruleGuarantee(
  selector: Selector,
  hook: PolicyHook,
  plan: HookPlan | HookObstacle,
): RuleGuarantee {
  const all = [...selector.actions, ...selector.returnActions];
  if (!("means" in plan)) return { guarantee: "observe", reason: plan.reason };
  if (all.some(({ kind }) => kind === "override") && plan.override.has) {
    return preventing(selector, hook, plan, plan.override);
  }
  if (all.some((action) => isKill(action))) {
    return {
      guarantee: "kill-after",
      reason: "the call may have happened before the signal ends the process",
    };
  }
  const signal = all.find((action) => action.kind === "signal");
  if (signal !== undefined) {
    return { guarantee: "observe", reason: `signal ${signal.signal} need not end the process` };
  }
  return { guarantee: "observe" };
}

/** A rule that makes calls fail, and what it does not see of them. */
function preventing(
  selector: Selector,
  hook: PolicyHook,
  { means }: HookPlan,
  { by, compatGoesOn }: OverridePlan & { readonly has: true },
): RuleGuarantee {
  const reasons: string[] = [];
  if (compatGoesOn !== undefined) reasons.push(`32-bit calls go on: ${compatGoesOn}`);
  if (means === "syscall" && looksAtMemory(selector, hook)) reasons.push(MEMORY_REASON);
  return {
    ...{ guarantee: "prevent", by },
    ...(reasons.length > 0 && { reason: reasons.join("; ") }),
    ...(reasons.length > 0 && { isPartial: true }),
  };
}

const MEMORY_REASON = "another thread may change what an argument points to after the look, and " +
  "memory that is not there yet is looked at when the call ends";

/** Arguments of system calls that are pointers into the caller's memory. */
const IN_MEMORY: readonly ArgumentType[] = ["string", "char_buf", "sockaddr"];

function looksAtMemory({ conditions }: Selector, { args }: PolicyHook): boolean {
  return conditions.some(({ subject }) =>
    subject.of === "argument" && IN_MEMORY.includes(args[subject.position]?.type ?? "nop")
  );
}

/** What comes of a policy here: all that is wrong with it, not just the first. */
export function policyOutlook(policy: Policy, abilities: KernelAbilities): PolicyOutlook {
  const obstacles: PolicyObstacle[] = [];
  const leftOut: { hook: PolicyHook; reason: string }[] = [];
  const rules = policy.hooks.map((hook) => {
    const plan = planHook(hook.point, abilities);
    if ("means" in plan) obstacles.push(...overrideObstacles(hook, plan));
    else if (plan.isMissing && hook.mayBeMissing) leftOut.push({ hook, reason: plan.reason });
    else obstacles.push({ place: hook.place, text: plan.reason, hint: plan.hint });
    if ("means" in plan) obstacles.push(...argumentObstacles(hook, abilities));
    return hook.selectors.map((selector) => ruleGuarantee(selector, hook, plan));
  });
  if (obstacles.length === 0 && leftOut.length === policy.hooks.length) {
    obstacles.push({
      place: policy.place,
      text: "none of its hooks exists on this kernel",
      hint: leftOut[0]?.reason ?? "add a hook",
    });
  }
  obstacles.push(...requireObstacles(policy, rules, leftOut.map(({ hook }) => hook)));
  return { obstacles, leftOut, rules };
}

/** What is never weakened silently: a call that is to fail, and cannot be made to. */
function overrideObstacles(hook: PolicyHook, plan: HookPlan): PolicyObstacle[] {
  const overriding = hook.selectors.filter(({ actions, returnActions }) =>
    [...actions, ...returnActions].some(({ kind }) => kind === "override")
  );
  // The kernel is not tried for nothing.
  if (overriding.length === 0) return [];
  const { override } = plan;
  if (override.has) return [];
  return overriding.map(({ place }) => ({
    place,
    text: `Override is not possible on ${pointText(hook.point)}: ${override.reason}`,
    hint: overrideHint(hook.point),
  }));
}

/** Arguments that the function does not have would be what a register happens to hold. */
function argumentObstacles(hook: PolicyHook, abilities: KernelAbilities): PolicyObstacle[] {
  const state = abilities.findPoint(hook.point);
  const count = state.exists ? state.argCount : undefined;
  if (count === undefined) return [];
  return hook.args.filter(({ index }) => index >= count).map(({ index, place }) => ({
    place,
    text: `${pointText(hook.point)} has ${count} arguments here, none with index ${index}`,
    hint: count === 0 ? "take the argument away" : `write 0 to ${count - 1}`,
  }));
}

function requireObstacles(
  { require, hooks, place }: Policy,
  rules: readonly (readonly RuleGuarantee[])[],
  leftOut: readonly PolicyHook[],
): PolicyObstacle[] {
  if (require === undefined || require === "observe") return [];
  const asking = hooks.flatMap((hook, i) =>
    leftOut.includes(hook)
      ? []
      : hook.selectors.flatMap((selector, j) =>
        asksForMore(selector) ? [{ selector, rule: rules[i]![j]! }] : []
      )
  );
  if (asking.length === 0) {
    const text = `it requires ${require}, and no rule of it does more than to tell`;
    return [{ place, text, hint: "add Override or Sigkill, or take require away" }];
  }
  return asking.filter(({ rule }) => rule.isPartial || STRENGTH[rule.guarantee] < STRENGTH[require])
    .map(({ selector, rule }) => ({
      place: selector.place,
      text: `it requires ${require}, and this rule is ` +
        `${rule.isPartial ? "not for all calls" : rule.guarantee} here` +
        (rule.reason === undefined ? "" : `: ${rule.reason}`),
      hint: require === "prevent"
        ? "use Override on an LSM hook, or a weaker require"
        : "use Sigkill, or a weaker require",
    }));
}

/** Whether a rule wants something to happen, not only to be told. */
export function asksForMore(
  { actions, returnActions }: Pick<Selector, "actions" | "returnActions">,
): boolean {
  return [...actions, ...returnActions].some(({ kind }) => kind !== "post" && kind !== "no_post");
}

/** The weakest of the rules that ask for more than to be told; "observe" when none does. */
export function policyGuarantee(
  policy: Policy,
  { rules }: Pick<PolicyOutlook, "rules">,
): Guarantee {
  const asking = policy.hooks.flatMap((hook, i) =>
    hook.selectors.flatMap((selector, j) => asksForMore(selector) ? [rules[i]![j]!.guarantee] : [])
  );
  return asking.toSorted((a, b) => STRENGTH[a] - STRENGTH[b])[0] ?? "observe";
}

/** A point in words: "lsm file_open". */
export function pointText(point: HookPoint): string {
  return point.kind === "tracepoint"
    ? `tracepoint ${point.subsystem}/${point.name}`
    : `${point.kind.replace("_", " ")} ${point.name}`;
}

function overrideHint(point: HookPoint): string {
  if (neverReturns(point)) return NO_RETURN_HINT;
  if (point.kind !== "syscall") return "use Sigkill, or an LSM hook that guards the same";
  const lsm = LSM_OF_SYSCALL[point.name];
  return lsm === undefined
    ? "use Sigkill, or the LSM hook that guards what the call does"
    : `use Sigkill, or the LSM hook ${lsm}`;
}

/** The LSM hook that is asked about what a system call does; the most usual ones. */
const LSM_OF_SYSCALL: Readonly<Record<string, string>> = {
  open: "file_open",
  openat: "file_open",
  openat2: "file_open",
  execve: "bprm_check_security",
  execveat: "bprm_check_security",
  connect: "socket_connect",
  bind: "socket_bind",
  listen: "socket_listen",
  accept: "socket_accept",
  accept4: "socket_accept",
  sendto: "socket_sendmsg",
  sendmsg: "socket_sendmsg",
  socket: "socket_create",
  unlink: "path_unlink",
  unlinkat: "path_unlink",
  rename: "path_rename",
  renameat: "path_rename",
  renameat2: "path_rename",
  mkdir: "path_mkdir",
  mkdirat: "path_mkdir",
  chmod: "path_chmod",
  fchmodat: "path_chmod",
  chown: "path_chown",
  fchownat: "path_chown",
  mount: "sb_mount",
  umount2: "sb_umount",
  ptrace: "ptrace_access_check",
  kill: "task_kill",
  mmap: "mmap_file",
  mprotect: "file_mprotect",
  bpf: "bpf",
  init_module: "kernel_load_data",
  finit_module: "kernel_read_file",
};

function isKill(action: Selector["actions"][number]): boolean {
  return action.kind === "sigkill" || (action.kind === "signal" && action.signal === 9);
}
