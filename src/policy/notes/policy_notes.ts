/**
 * What is right in a policy and weaker than it may look: ways around its rules, and hooks that not
 * every kernel has.
 *
 * @module
 */
import { asksForMore, pointText } from "../guarantee.ts";
import type { KernelAbilities } from "../kernel_abilities.ts";
import { RUNNING_KERNEL } from "../language/kernel_names.ts";
import { lsmHookKernels } from "../language/lsm_hooks.ts";
import type { Condition, Place, Policy, PolicyHook } from "../model.ts";
import { planHook } from "../plan_hook.ts";
import { syscallNumber } from "../syscalls.ts";
import { groupOf, PATH_ARGUMENTS } from "./call_groups.ts";

/** Something to know about a policy, at its place. */
export interface PolicyNote {
  readonly place: Place;
  readonly text: string;
  readonly hint: string;
}

/** More are the same again. */
const NOTES_MAX = 50;

/** All that is to be known about a policy; of the kernel's abilities where they are known. */
export function policyNotes(policy: Policy, abilities?: KernelAbilities): PolicyNote[] {
  const notes = policy.hooks.flatMap((hook) => [
    ...kernelNotes(hook, abilities),
    ...pathNotes(hook, abilities),
  ]);
  return [...notes, ...groupNotes(policy), ...nameNotes(policy)].slice(0, NOTES_MAX);
}

/** Hooks that depend on the kernel, and programs that are not the strongest kind there. */
function kernelNotes({ point, place }: PolicyHook, abilities?: KernelAbilities): PolicyNote[] {
  if (abilities !== undefined) {
    const plan = planHook(point, abilities);
    if (!("means" in plan) || plan.weaker === undefined) return [];
    const text = `${pointText(point)} is had by ${plan.means.replace("_", "-")}: ${plan.weaker}`;
    return [{ place, text, hint: "what it reports is the same; Override may not be possible" }];
  }
  if (point.kind === "lsm") {
    const { has = [], lacks = [] } = lsmHookKernels(point.name) ?? {};
    if (lacks.length === 0) return [];
    const there = has.length > 0 ? `in ${has.join(", ")}, ` : "";
    const text = `not every kernel has the LSM hook ${point.name}: ${there}not in ` +
      lacks.join(", ");
    return [{ place, text, hint: "shrike policy plan says whether a host has it" }];
  }
  const isTracepoint = point.kind === "tracepoint" || point.kind === "raw_tracepoint";
  const isOfCalls = point.kind === "tracepoint" && point.subsystem === "syscalls";
  if (!isTracepoint || isOfCalls || !RUNNING_KERNEL.isKnown) return [];
  if (RUNNING_KERNEL.tracepoints.has(point.name)) return [];
  return [{
    place,
    text: `the kernel of this machine has no tracepoint ${point.name}, unless a module brings it`,
    hint: "look below /sys/kernel/tracing/events of a host that is to have the policy",
  }];
}

/** Paths that are compared as the caller gave them. */
function pathNotes(hook: PolicyHook, abilities?: KernelAbilities): PolicyNote[] {
  const { point } = hook;
  if (point.kind !== "syscall") return [];
  const condition = pathConditions(hook)[0];
  if (condition === undefined) return [];
  const text = `the path of ${point.name} is compared as the caller gave it: a relative path, ` +
    "//, a symbolic link and /proc/self/root reach the same file by another text";
  return [{ place: condition.place, text, hint: objectHint(point.name, abilities) }];
}

/** What sees the file itself. */
function objectHint(call: string, abilities?: KernelAbilities): string {
  const lsm = groupOf(call)?.lsm;
  if (lsm === undefined) {
    return "use type fd at a call with a descriptor, or an LSM hook: both have the resolved path";
  }
  const advice = `use the LSM hook ${lsm.hook} (type ${lsm.type})`;
  if (abilities === undefined) {
    return `${advice}: it sees the file, and shrike policy fix writes the rule there; ` +
      "shrike policy plan says whether a host has it";
  }
  const plan = planHook({ kind: "lsm", name: lsm.hook }, abilities);
  if (!("means" in plan)) {
    return `this kernel has nothing that sees the file then (${plan.reason}); type fd at a ` +
      "later call, such as read, has the resolved path";
  }
  const means = plan.means.replace("_", "-");
  return `${advice}: it sees the file, this kernel has it by ${means}, and shrike policy fix ` +
    "writes the rule there";
}

function pathConditions(hook: PolicyHook): Condition[] {
  const { point, args, selectors } = hook;
  const indexes = PATH_ARGUMENTS.get(point.name) ?? [];
  return selectors.flatMap(({ conditions }) => conditions).filter(({ subject }) => {
    if (subject.of !== "argument") return false;
    const argument = args[subject.position];
    return argument?.type === "string" && indexes.includes(argument.index);
  });
}

/** Calls that do the same as those with a rule. */
function groupNotes(policy: Policy): PolicyNote[] {
  const hooked = new Set(
    policy.hooks.flatMap(({ point }) => point.kind === "syscall" ? [point.name] : []),
  );
  const told = new Set<string>();
  return policy.hooks.flatMap((hook) => {
    const group = hook.point.kind === "syscall" ? groupOf(hook.point.name) : undefined;
    if (group === undefined || told.has(group.does) || !isRule(hook)) return [];
    const others = group.calls.filter((call) =>
      !hooked.has(call) && syscallNumber(call, Deno.build.arch) !== undefined
    );
    told.add(group.does);
    const ways = [...others, ...group.hasUring ? ["io_uring"] : []];
    if (ways.length === 0) return [];
    const text = `a rule on ${hook.point.name} does not see ${ways.join(", ")}, which also ` +
      group.does;
    const hint = others.length === 0
      ? "io_uring makes no system call for it: use an LSM hook, or a rule on sys_io_uring_setup"
      : `hook them too, by a list${group.lsm ? `, or the LSM hook ${group.lsm.hook}` : ""}`;
    return [{ place: hook.place, text, hint }];
  });
}

/** It asks for something about the arguments, or does something. */
function isRule({ selectors }: PolicyHook): boolean {
  return selectors.some((selector) =>
    asksForMore(selector) || selector.conditions.some(({ subject }) => subject.of === "argument")
  );
}

/** LSM hooks that change what a path names. */
const NAMING = ["path_rename", "path_link", "inode_rename", "inode_link"];
const NAMING_CALLS = ["rename", "renameat", "renameat2", "link", "linkat"];

/** A file that is opened under another name. */
function nameNotes(policy: Policy): PolicyNote[] {
  const isNaming = policy.hooks.some(({ point: { kind, name } }) =>
    (kind === "lsm" && NAMING.includes(name)) ||
    (kind === "kprobe" && NAMING.includes(name.replace("security_", ""))) ||
    (kind === "syscall" && NAMING_CALLS.includes(name))
  );
  if (isNaming) return [];
  for (const { point, args, selectors } of policy.hooks) {
    const isOpen = (point.kind === "lsm" && point.name === "file_open") ||
      (point.kind === "kprobe" && point.name === "security_file_open") ||
      (point.kind === "syscall" && groupOf(point.name)?.does === "open files");
    if (!isOpen) continue;
    const condition = selectors.filter(asksForMore).flatMap(({ conditions }) => conditions).find((
      { subject, test },
    ) =>
      subject.of === "argument" && test.kind === "text" &&
      ["file", "string"].includes(args[subject.position]?.type ?? "nop")
    );
    if (condition === undefined) continue;
    const text =
      "the file is known by its path: who may rename or link it opens it by another name";
    const hint =
      "add path_rename and path_link with the folder (type path), or Prefix of the folder";
    return [{ place: condition.place, text, hint }];
  }
  return [];
}
