/**
 * What kernels can do for policies, for tests.
 *
 * @module
 */
import type { KernelAbilities } from "../../src/policy/kernel_abilities.ts";

const YES = { has: true } as const;

/** It can all, and has every point that is asked for. */
export const CAPABLE_KERNEL: KernelAbilities = {
  kprobe: YES,
  tracepoint: YES,
  lsm: YES,
  modifyReturn: YES,
  modifySyscall: YES,
  modifyCompat: YES,
  overrideReturn: YES,
  kprobeMulti: YES,
  accepts: () => YES,
  findPoint: ({ kind, name }) => ({
    ...{ exists: true, returnsError: true },
    ...(kind === "syscall" && {
      entries: { functions: [`__x64_sys_${name}`], compat: [], isTyped: () => true, unknown: [] },
    }),
  }),
};

/** One that hooks system calls and tracepoints only, and lacks functions called "missing...". */
export const PLAIN_KERNEL: KernelAbilities = {
  kprobe: { has: false, reason: "the kernel has no kprobes" },
  tracepoint: YES,
  lsm: { has: false, reason: "bpf is not in the list of LSMs" },
  modifyReturn: { has: false, reason: "the kernel has no trampolines" },
  modifySyscall: { has: false, reason: "the kernel has no trampolines" },
  modifyCompat: { has: false, reason: "the kernel has no trampolines" },
  overrideReturn: { has: false, reason: "the kernel was built without it" },
  kprobeMulti: { has: false, reason: "the kernel was built without it" },
  accepts: () => YES,
  findPoint: ({ name }) =>
    name.startsWith("missing")
      ? { exists: false, reason: `there is no ${name}`, hint: "look for another name" }
      : { exists: true, returnsError: true },
};
