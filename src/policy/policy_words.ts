/**
 * Hooks, selectors and actions in words: those of statuses, and those of events.
 *
 * @module
 */
import type { Action, HookPoint, PolicyHook, Selector } from "./model.ts";
import { type Architecture, syscallFunction } from "./syscalls.ts";

/** Its label, else its number from 0. */
export function selectorWord(hook: PolicyHook, index: number): string {
  return hook.selectors[index]?.label ?? String(index);
}

/** "Post", "Sigkill", "Signal 19", "Override -1"; those of the call's end too, each once. */
export function actionWords({ actions, returnActions }: Selector): string[] {
  return [...new Set([...actions, ...returnActions].map(actionWord))];
}

/** Type and name that an event has for a hook. */
export function eventNames(point: HookPoint, architecture: Architecture): {
  readonly type: "process_kprobe" | "process_tracepoint" | "process_lsm";
  readonly functionName: string;
  readonly subsystem?: string;
} {
  switch (point.kind) {
    case "syscall": {
      const functionName = SYSCALL_PREFIX[architecture] + syscallFunction(point.name);
      return { type: "process_kprobe", functionName };
    }
    case "kprobe":
      return { type: "process_kprobe", functionName: point.name };
    case "lsm":
      return { type: "process_lsm", functionName: point.name };
    case "tracepoint": {
      const { subsystem, name: functionName } = point;
      return { type: "process_tracepoint", functionName, subsystem };
    }
    case "raw_tracepoint":
      return { type: "process_tracepoint", functionName: point.name };
  }
}

const SYSCALL_PREFIX: Readonly<Record<Architecture, string>> = {
  x86_64: "__x64_sys_",
  aarch64: "__arm64_sys_",
};

function actionWord(action: Action): string {
  switch (action.kind) {
    case "post":
      return "Post";
    case "no_post":
      return "NoPost";
    case "sigkill":
      return "Sigkill";
    case "signal":
      return `Signal ${action.signal}`;
    case "override":
      return `Override -${action.errno}`;
  }
}
