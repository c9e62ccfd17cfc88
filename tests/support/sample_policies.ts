/**
 * Small policies and calls for tests that say exactly what they mean.
 *
 * @module
 */
import type { CallProcess, PolicyCall } from "../../src/policy/evaluate/policy_call.ts";
import type {
  Action,
  Condition,
  HookArgument,
  HookPoint,
  Policy,
  PolicyHook,
  Selector,
  Subject,
  Test,
} from "../../src/policy/model.ts";

export const PLACE = { file: "policy.yaml", line: 3, column: 5 };

export const OPENAT: HookPoint = { kind: "syscall", name: "openat" };

/** Bytes of a text. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function argument(
  index: number,
  type: HookArgument["type"],
  rest: Partial<HookArgument> = {},
): HookArgument {
  return { index, type, place: PLACE, ...rest };
}

export function condition(subject: Subject, test: Test, isNegated = false): Condition {
  return { subject, test, isNegated, place: PLACE };
}

/** On an argument as a whole. */
export function onArgument(position: number, test: Test, isNegated = false): Condition {
  return condition({ of: "argument", position, part: "value" }, test, isNegated);
}

export function texts(kind: "text" | "prefix" | "postfix", ...values: string[]): Test {
  return { kind, values: values.map(bytes) };
}

export function selector(
  conditions: readonly Condition[],
  actions: readonly Action[] = [{ kind: "post" }],
  rest: Partial<Selector> = {},
): Selector {
  return { place: PLACE, conditions, workloads: [], actions, returnActions: [], ...rest };
}

export function hook(
  args: readonly HookArgument[],
  selectors: readonly Selector[],
  rest: Partial<PolicyHook> = {},
): PolicyHook {
  return { point: OPENAT, place: PLACE, args, selectors, tags: [], ...rest };
}

export function policy(
  name: string,
  hooks: readonly PolicyHook[],
  rest: Partial<Policy> = {},
): Policy {
  return { name, place: PLACE, mode: "enforce", workloads: [], hooks, ...rest };
}

/** A policy on openat that lists paths. */
export function pathPolicy(name: string, ...paths: string[]): Policy {
  return policy(name, [
    hook([argument(1, "string")], [selector([onArgument(0, texts("text", ...paths))])]),
  ]);
}

export function processOf(rest: Partial<CallProcess> = {}): CallProcess {
  return {
    ...{ tgid: 100, namespaceTgid: 1, ancestors: [] },
    ...{ binary: bytes("/bin/sh"), givenName: bytes("sh") },
    namespaces: {
      ...{ uts: 1, ipc: 1, mnt: 1, pid: 1, pid_for_children: 1, net: 1 },
      ...{ time: 1, time_for_children: 1, cgroup: 1, user: 1 },
    },
    capabilities: { effective: 0n, inheritable: 0n, permitted: 0n },
    ...rest,
  };
}

/** A call of openat(). */
export function openCall(path: string, rest: Partial<PolicyCall> = {}): PolicyCall {
  return {
    ...{ point: OPENAT, args: [0n, bytes(path)], returned: 0n, process: processOf() },
    ...rest,
  };
}
