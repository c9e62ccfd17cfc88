/**
 * Policies of tests, with what they do not care about filled in.
 *
 * @module
 */
import type {
  Action,
  ArgumentType,
  Condition,
  HookArgument,
  HookPoint,
  Policy,
  PolicyHook,
  PolicyMode,
  Selector,
  Subject,
  Test,
  ValuePart,
} from "../../src/policy/mod.ts";

const PLACE = { file: "test.yaml", line: 1, column: 1 };

/** A selector: conditions, and what it does, else it posts. */
export interface SelectorParts {
  readonly conditions?: readonly Condition[];
  readonly actions?: readonly Action[];
  readonly returnActions?: readonly Action[];
}

/** A policy on one hook: a system call, or another point. */
export interface PolicyParts {
  readonly call?: string;
  readonly point?: HookPoint;
  /** Types of the arguments that are read, from the first on; "nop" for those that are not. */
  readonly types?: readonly (ArgumentType | Omit<HookArgument, "place">)[];
  readonly returns?: ArgumentType;
  readonly mode?: PolicyMode;
  readonly selectors?: readonly SelectorParts[];
}

export function makePolicy(name: string, parts: PolicyParts): Policy {
  const { call = "", types = [], returns, mode = "monitor_only", selectors = [{}] } = parts;
  const hook: PolicyHook = {
    point: parts.point ?? { kind: "syscall", name: call },
    place: PLACE,
    args: types.map((type, index) =>
      typeof type === "string" ? { index, type, place: PLACE } : { ...type, place: PLACE }
    ),
    ...(returns !== undefined && { returns: { index: 0, type: returns, place: PLACE } }),
    selectors: selectors.map(makeSelector),
    tags: [],
  };
  return { name, place: PLACE, mode, workloads: [], hooks: [hook] };
}

function makeSelector(parts: SelectorParts): Selector {
  const { conditions = [], actions = [{ kind: "post" }], returnActions = [] } = parts;
  return { place: PLACE, conditions, workloads: [], actions, returnActions };
}

/** A condition on the argument at `position` of the policy's. */
export function argumentIs(
  position: number,
  test: Test,
  { part = "value", not = false }: { readonly part?: ValuePart; readonly not?: boolean } = {},
): Condition {
  return condition({ of: "argument", position, part }, test, not);
}

export function condition(subject: Subject, test: Test, isNegated = false): Condition {
  return { subject, test, isNegated, place: PLACE };
}

export function texts(
  kind: "text" | "prefix" | "postfix",
  ...values: readonly (string | Uint8Array)[]
): Test {
  return {
    kind,
    values: values.map((value) =>
      typeof value === "string" ? new TextEncoder().encode(value) : value
    ),
  };
}

/** Of signed types as two's complement. */
export function numbers(...values: readonly (number | bigint)[]): Test {
  return { kind: "number", values: values.map((value) => BigInt.asUintN(64, BigInt(value))) };
}

export function range(isSigned: boolean, first: number | bigint, last: number | bigint): Test {
  const moved = (value: number | bigint) =>
    isSigned ? BigInt.asUintN(64, BigInt(value) + 2n ** 63n) : BigInt(value);
  return { kind: "range", isSigned, values: [{ first: moved(first), last: moved(last) }] };
}

/** IPv4 addresses are mapped into IPv6, `bits` counts those of IPv4. */
export function network(address: string, bits: number): Test {
  if (!address.includes(":")) {
    const bytes = [...Array(10).fill(0), 0xff, 0xff, ...address.split(".").map(Number)];
    return { kind: "network", values: [{ address: Uint8Array.from(bytes), bits: bits + 96 }] };
  }
  const [head = "", tail = ""] = address.split("::");
  const groups = (text: string) => text === "" ? [] : text.split(":").map((g) => parseInt(g, 16));
  const [front, back] = [groups(head), groups(tail)];
  const all = [...front, ...Array(8 - front.length - back.length).fill(0), ...back];
  const bytes = all.flatMap((group) => [group >> 8, group & 0xff]);
  return { kind: "network", values: [{ address: Uint8Array.from(bytes), bits }] };
}
