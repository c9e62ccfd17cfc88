/**
 * How a hook is had on a kernel, and how sure it is then that what a rule forbids does not happen.
 *
 * @module
 */
import type { Ability, KernelAbilities, PointState } from "./kernel_abilities.ts";
import type { Guarantee, HookPoint, Place, Policy, PolicyHook, Selector } from "./model.ts";

/** The kind of program that serves a hook. */
export type HookMeans =
  | "syscall"
  | "kprobe"
  | "fmod_ret"
  | "lsm"
  | "tracepoint"
  | "raw_tracepoint";

/** How a hook is served. */
export interface HookPlan {
  readonly means: HookMeans;
  /** What the program is attached to: a function, an LSM hook, a tracepoint. */
  readonly target: string;
  /** Whether calls can be made to fail there; if not, why. */
  readonly override: Ability;
}

/** Why a hook cannot be had. */
export interface HookObstacle {
  readonly reason: string;
  readonly hint: string;
  /** It is a matter of the point alone: the kernel has none of this name. */
  readonly isMissing: boolean;
}

/** What comes of a selector. */
export interface RuleGuarantee {
  readonly guarantee: Guarantee;
  /** Why it is no stronger one, when it has an action that asks for one. */
  readonly reason?: string;
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

const SECURITY = "security_";
const STRENGTH: Readonly<Record<Guarantee, number>> = { observe: 0, "kill-after": 1, prevent: 2 };
const YES: Ability = { has: true };

/** How a point is hooked on this kernel. */
export function planHook(point: HookPoint, abilities: KernelAbilities): HookPlan | HookObstacle {
  const state = abilities.findPoint(point);
  if (!state.exists) return { reason: state.reason, hint: state.hint, isMissing: true };
  switch (point.kind) {
    case "syscall":
      return { means: "syscall", target: point.name, override: no(SYSCALL_REASON) };
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

const SYSCALL_REASON =
  "no kernel that we know lets programs make system calls themselves fail; LSM hooks do";

const TRACEPOINT_REASON = "a tracepoint only tells";

function planKprobe(
  name: string,
  state: PointState & { exists: true },
  abilities: KernelAbilities,
): HookPlan | HookObstacle {
  if (name.startsWith(SECURITY)) return planSecurity(name, state, abilities);
  const { kprobe } = abilities;
  if (!kprobe.has) return obstacle(kprobe.reason, "hook a system call, or a tracepoint");
  const override = no(`nobody can change what ${name} returns`);
  return { means: "kprobe", target: name, override };
}

/** An LSM hook: as such, else the function that calls it. */
function planLsm(
  name: string,
  state: PointState & { exists: true },
  abilities: KernelAbilities,
): HookPlan | HookObstacle {
  const { lsm } = abilities;
  if (lsm.has) return { means: "lsm", target: name, override: mayFail(state, YES) };
  const hint = "boot with lsm=...,bpf on a kernel built with CONFIG_BPF_LSM";
  if (state.securityFunction === undefined) {
    return obstacle(`${lsm.reason}, and no function of it has the same arguments`, hint);
  }
  const plan = planSecurity(state.securityFunction, state, abilities);
  return "means" in plan ? plan : obstacle(`${lsm.reason}; ${plan.reason}`, hint);
}

/** A function security_...: one that may return something else, if it has anything to return. */
function planSecurity(
  target: string,
  state: PointState & { exists: true },
  { modifyReturn, kprobe }: KernelAbilities,
): HookPlan | HookObstacle {
  if (modifyReturn.has && state.returnsError) return { means: "fmod_ret", target, override: YES };
  if (kprobe.has) return { means: "kprobe", target, override: mayFail(state, modifyReturn) };
  return obstacle(
    state.returnsError && !modifyReturn.has ? modifyReturn.reason : kprobe.reason,
    "hook a system call, or a tracepoint",
  );
}

/** What a selector comes to where its hook is served as planned. */
export function ruleGuarantee(
  { actions, returnActions }: Pick<Selector, "actions" | "returnActions">,
  plan: HookPlan | HookObstacle,
): RuleGuarantee {
  const all = [...actions, ...returnActions];
  if (!("means" in plan)) return { guarantee: "observe", reason: plan.reason };
  if (all.some(({ kind }) => kind === "override") && plan.override.has) {
    return { guarantee: "prevent" };
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
    return hook.selectors.map((selector) => ruleGuarantee(selector, plan));
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
function overrideObstacles(hook: PolicyHook, { override }: HookPlan): PolicyObstacle[] {
  if (override.has) return [];
  return hook.selectors.filter(({ actions, returnActions }) =>
    [...actions, ...returnActions].some(({ kind }) => kind === "override")
  ).map(({ place }) => ({
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
  return asking.filter(({ rule }) => STRENGTH[rule.guarantee] < STRENGTH[require])
    .map(({ selector, rule }) => ({
      place: selector.place,
      text: `it requires ${require}, and this rule is ${rule.guarantee} here` +
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

function mayFail({ returnsError }: { readonly returnsError: boolean }, ability: Ability): Ability {
  return returnsError ? ability : no("it returns no error");
}

function no(reason: string): Ability {
  return { has: false, reason };
}

function obstacle(reason: string, hint: string): HookObstacle {
  return { reason, hint, isMissing: false };
}
