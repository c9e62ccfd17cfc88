/**
 * Values of a condition become what the kernel can look up.
 *
 * @module
 */
import type { NumberRange, Test } from "../model.ts";
import { networksOfClass } from "./address_classes.ts";
import { SERVICES } from "./errno_names.ts";
import type { Architecture } from "../syscalls.ts";
import { type PolicyProblems, quoted } from "./policy_problem.ts";
import {
  BadValue,
  bounds,
  type NumberForm,
  parseNetwork,
  parseNumber,
  parseRange,
  type ValueForm,
} from "./value_form.ts";
import type { YamlScalar } from "./yaml_tree.ts";

/** How values are compared. */
export type TestKind =
  | "equal"
  | "prefix"
  | "postfix"
  | "greater"
  | "less"
  | "mask"
  | "range"
  | "range_or_number"
  | "network"
  | "privileged_port";

/** Bytes of texts: what the kernel reads, and what its tables have room for. */
export const TEXT_SIZE_MAX = 4095;
export const PREFIX_SIZE_MAX = 252;
export const POSTFIX_SIZE_MAX = 124;

const PORT: NumberForm = {
  ...{ kind: "number", bits: 16, isSigned: false, name: "port", words: SERVICES },
};
/** Below, only privileged processes may listen (net.ipv4.ip_unprivileged_port_start). */
const FIRST_UNPRIVILEGED_PORT = 1024n;

/** The values with what they are. */
export interface TestValues {
  readonly values: readonly YamlScalar[];
  readonly form: ValueForm;
  readonly architecture: Architecture;
  readonly problems: PolicyProblems;
}

type Maker = (values: TestValues) => Test | undefined;

const MAKERS: Readonly<Record<TestKind, Maker>> = {
  equal: (given) => given.form.kind === "text" ? text(given, TEXT_SIZE_MAX, "text") : number(given),
  prefix: (given) => text(given, PREFIX_SIZE_MAX, "prefix"),
  postfix: (given) => text(given, POSTFIX_SIZE_MAX, "postfix"),
  greater: (given) => bound(given, (limit, { last }) => ({ first: limit + 1n, last })),
  less: (given) => bound(given, (limit, { first }) => ({ first, last: limit - 1n })),
  mask,
  range,
  range_or_number: (given) =>
    given.values.some(({ text }) => text.includes(":")) ? range(given) : number(given),
  network,
  privileged_port: () => ({
    kind: "range",
    isSigned: false,
    values: [{ first: 0n, last: FIRST_UNPRIVILEGED_PORT - 1n }],
  }),
};

/** The test, or undefined and told. */
export function makeTest(kind: TestKind, values: TestValues): Test | undefined {
  return MAKERS[kind](values);
}

function text(
  given: TestValues,
  sizeMax: number,
  kind: "text" | "prefix" | "postfix",
): Test | undefined {
  const values = parseAll(given, (text) => {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length === 0) return new BadValue("is empty", "write a text");
    const misfit = given.form.kind === "text" && given.form.isPath
      ? pathMisfit(text, kind)
      : undefined;
    if (misfit !== undefined) return misfit;
    if (bytes.includes(0)) return new BadValue("has a zero byte", "texts of the kernel end there");
    if (bytes.length <= sizeMax) return bytes;
    const hint = `${kind === "text" ? "a text" : `a ${kind}`} has ${sizeMax} bytes at most`;
    return new BadValue(`has ${bytes.length} bytes`, hint);
  });
  return values === undefined ? undefined : { kind, values };
}

/** Files without a path, whose names people know from /proc/PID/fd. */
const PATHLESS = /^(socket|pipe|anon_inode|net|mnt|user|pid|ipc|uts|cgroup|time):/;

/** Why a path of a file, which the kernel has resolved, never is or begins so. */
function pathMisfit(text: string, kind: "text" | "prefix" | "postfix"): BadValue | undefined {
  if (PATHLESS.test(text)) {
    return new BadValue(
      "never matches: what has no path is not compared by such a name",
      "use type sock for sockets, or take it away",
    );
  }
  if (/\/\.{0,2}\//.test(text) || kind === "text" && /.\/\.{0,2}$/.test(text)) {
    return new BadValue(
      "never matches: the path of a file is resolved, without //, /./, /../ and / at its end",
      kind === "text"
        ? "write the resolved path, or use Prefix for all below"
        : "write it resolved",
    );
  }
  if (kind === "postfix" || text.startsWith("/") || text.startsWith("(unreachable)")) {
    return undefined;
  }
  return new BadValue(
    "never matches: the path of a file begins with /",
    `write /${text}, or use Postfix`,
  );
}

function number(given: TestValues): Test | undefined {
  const form = numberForm(given.form);
  const values = parseAll(given, (text) => parseNumber(text, form, given.architecture));
  if (values === undefined) return undefined;
  return { kind: "number", values: values.map((value) => BigInt.asUintN(64, value)) };
}

function range(given: TestValues): Test | undefined {
  const form = numberForm(given.form);
  const values = parseAll(given, (text) => parseRange(text, form, given.architecture));
  return values === undefined ? undefined : ranges(values, form);
}

function bound(
  given: TestValues,
  rangeOf: (limit: bigint, all: NumberRange) => NumberRange,
): Test | undefined {
  const form = numberForm(given.form);
  const limits = parseAll(given, (text) => parseNumber(text, form, given.architecture));
  if (limits === undefined) return undefined;
  const [, second] = given.values;
  if (second !== undefined) {
    const text = quoted(second.text, "is a second limit");
    given.problems.add({ ...second, found: second.text }, text, "give one value");
    return undefined;
  }
  const values = rangeOf(limits[0]!, bounds(form));
  if (values.first <= values.last) return ranges([values], form);
  const [first] = given.values;
  given.problems.add(
    { ...first!, found: first!.text },
    quoted(first!.text, "leaves no number"),
    `the type has ${bounds(form).first} to ${bounds(form).last}`,
  );
  return undefined;
}

/** Negative numbers sort behind positive ones as bits; moved by half of all they do not. */
function ranges(values: readonly NumberRange[], { isSigned }: NumberForm): Test {
  const shift = isSigned ? 1n << 63n : 0n;
  const moved = values.map(({ first, last }) => ({ first: first + shift, last: last + shift }));
  return { kind: "range", isSigned, values: moved };
}

/** A mask may have the sign bit, whatever the type says. */
function mask(given: TestValues): Test | undefined {
  const form: NumberForm = { ...numberForm(given.form), isSigned: false };
  const masks = parseAll(given, (text) => {
    const mask = parseNumber(text, form, given.architecture);
    return mask === 0n ? new BadValue("has no bit", "give the bits, such as 0x3") : mask;
  });
  if (masks === undefined) return undefined;
  return { kind: "bits", mask: masks.reduce((all, mask) => all | mask, 0n) };
}

function network(given: TestValues): Test | undefined {
  if (given.form.kind === "class") {
    const classes = parseAll(given, networksOfClass);
    return classes === undefined ? undefined : { kind: "network", values: classes.flat() };
  }
  const values = parseAll(given, parseNetwork);
  return values === undefined ? undefined : { kind: "network", values };
}

function numberForm(form: ValueForm): NumberForm {
  if (form.kind === "number") return form;
  if (form.kind === "port") return PORT;
  throw new Error(`an operator of numbers stands at a type of ${form.kind}`);
}

/** All values, or undefined when one is bad; each bad one is told. */
function parseAll<Value>(
  { values, problems }: TestValues,
  parse: (text: string) => Value | BadValue,
): Value[] | undefined {
  const parsed: Value[] = [];
  let isGood = true;
  for (const value of values) {
    const result = parse(value.text);
    if (result instanceof BadValue) {
      problems.add({ ...value, found: value.text }, quoted(value.text, result.state), result.hint);
      isGood = false;
    } else parsed.push(result);
  }
  return isGood ? parsed : undefined;
}
