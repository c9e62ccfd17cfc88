/**
 * What never returns: a process that ends. Nothing can be returned in its place, and its end is
 * never seen.
 *
 * @module
 */
import type { HookPoint } from "./model.ts";

const SYSCALLS: ReadonlySet<string> = new Set(["exit", "exit_group"]);

/**
 * Functions that the kernel marks so (`noreturn_deny` of kernel/bpf/verifier.c, and those of
 * tools/objtool/noreturns.h that a process comes to).
 */
const FUNCTIONS: ReadonlySet<string> = new Set([
  ...["do_exit", "do_group_exit", "make_task_dead", "rewind_stack_and_make_dead"],
  ...["kthread_exit", "kthread_complete_and_exit", "do_task_dead", "__module_put_and_kthread_exit"],
  ...["panic", "vpanic", "nmi_panic"],
]);

/** Functions of system calls, by whichever table. */
const SYSCALL_FUNCTION = /^__(?:do|se|x64|ia32|arm64|s390x|s390)_(?:compat_)?sys_(.+)$/;

/** Whether what is hooked never returns to its caller. */
export function neverReturns(point: HookPoint): boolean {
  switch (point.kind) {
    case "syscall":
      return SYSCALLS.has(point.name);
    case "kprobe":
      return FUNCTIONS.has(point.name) ||
        SYSCALLS.has(SYSCALL_FUNCTION.exec(point.name)?.[1] ?? "");
    case "lsm":
    case "tracepoint":
    case "raw_tracepoint":
      return false;
  }
}

/** Why `Override` cannot be, of such a point. */
export function noReturnText(point: HookPoint): string {
  return `${point.name} never returns: a process that ends cannot be stopped from it`;
}

/** What to do instead. */
export const NO_RETURN_HINT =
  "take Override away: Post reports it, Sigkill only changes how it is shown to end";
