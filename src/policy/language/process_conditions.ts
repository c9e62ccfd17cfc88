/**
 * Conditions on who calls: `matchPIDs`, `matchBinaries`, `matchNamespaces`, `matchCapabilities`.
 *
 * @module
 */
import type { Condition, Test } from "../model.ts";
import { CAPABILITIES, CAPABILITY_SETS, NAMESPACES } from "./kernel_words.ts";
import { makeTest, type TestKind } from "./test_values.ts";
import { quoted } from "./policy_problem.ts";
import { readTest, readValues } from "./read_values.ts";
import type { SpecReading } from "./reading.ts";
import { type Fields, openSection, type Section, suggestion } from "./section.ts";
import { MATCH_BINARY, MATCH_CAPABILITY, MATCH_NAMESPACE, MATCH_PID } from "./selector_sections.ts";
import type { NumberForm } from "./value_form.ts";
import type { YamlNode } from "./yaml_tree.ts";

/** How an operator compares. */
interface Comparison {
  readonly test: TestKind;
  readonly isNegated: boolean;
}

type Operators = Readonly<Record<string, Comparison>>;

const MEMBERSHIP: Operators = {
  In: { test: "equal", isNegated: false },
  NotIn: { test: "equal", isNegated: true },
};

const BINARY_OPERATORS: Operators = {
  ...MEMBERSHIP,
  Prefix: { test: "prefix", isNegated: false },
  NotPrefix: { test: "prefix", isNegated: true },
  Postfix: { test: "postfix", isNegated: false },
  NotPostfix: { test: "postfix", isNegated: true },
};

const PID: NumberForm = { kind: "number", bits: 31, isSigned: false, name: "pid" };
const INODE: NumberForm = { kind: "number", bits: 32, isSigned: false, name: "inode number" };
const CAPABILITY: NumberForm = {
  kind: "number",
  bits: 6,
  isSigned: false,
  words: CAPABILITIES,
  name: "capability",
};

/** Stands for the namespace that the host's first process is in. */
const HOST_NAMESPACE = "host_ns";

/** One of `matchPIDs`. */
export function readPidCondition(node: YamlNode, reading: SpecReading): Condition | undefined {
  const opened = open(node, { section: MATCH_PID, operators: MEMBERSHIP, reading });
  if (opened === undefined) return undefined;
  const { fields, comparison } = opened;
  const test = readTest(fields, { test: comparison.test, form: PID }, reading);
  if (test === undefined) return undefined;
  return {
    subject: {
      of: "pid",
      isNamespacePid: fields.boolean("isNamespacePID", false),
      followForks: fields.boolean("followForks", false),
    },
    test,
    isNegated: comparison.isNegated,
    place: fields.place,
  };
}

/** One of `matchBinaries`. */
export function readBinaryCondition(node: YamlNode, reading: SpecReading): Condition | undefined {
  const opened = open(node, { section: MATCH_BINARY, operators: BINARY_OPERATORS, reading });
  if (opened === undefined) return undefined;
  const { fields, comparison } = opened;
  const test = readTest(fields, { test: comparison.test, form: { kind: "text" } }, reading);
  if (test === undefined) return undefined;
  return {
    subject: { of: "binary", followChildren: false },
    test,
    isNegated: comparison.isNegated,
    place: fields.place,
  };
}

/** One of `matchNamespaces`. */
export function readNamespaceCondition(
  node: YamlNode,
  reading: SpecReading,
): Condition | undefined {
  const opened = open(node, { section: MATCH_NAMESPACE, operators: MEMBERSHIP, reading });
  if (opened === undefined) return undefined;
  const { fields, comparison } = opened;
  const namespace = readWord(fields, "namespace", { words: NAMESPACES, reading });
  const test = readNamespaces(fields, reading);
  if (namespace === undefined || test === undefined) return undefined;
  return {
    subject: { of: "namespace", namespace },
    test,
    isNegated: comparison.isNegated,
    place: fields.place,
  };
}

/** One of `matchCapabilities`. */
export function readCapabilityCondition(
  node: YamlNode,
  reading: SpecReading,
): Condition | undefined {
  const opened = open(node, { section: MATCH_CAPABILITY, operators: MEMBERSHIP, reading });
  if (opened === undefined) return undefined;
  const { fields, comparison } = opened;
  const set = fields.has("type")
    ? readWord(fields, "type", { words: CAPABILITY_SETS, reading })
    : "effective";
  const numbers = readTest(fields, { test: "equal", form: CAPABILITY }, reading);
  if (set === undefined || numbers?.kind !== "number") return undefined;
  const mask = numbers.values.reduce((mask, number) => mask | (1n << number), 0n);
  return {
    subject: { of: "capabilities", set },
    test: { kind: "bits", mask },
    isNegated: comparison.isNegated,
    place: fields.place,
  };
}

/** Inode numbers, and the host's own namespace, whose inode is not known here. */
function readNamespaces(fields: Fields, reading: SpecReading): Test | undefined {
  const form: NumberForm = { ...INODE, words: new Map([[HOST_NAMESPACE, 0n]]) };
  const all = readValues(fields, form, reading);
  if (all === undefined) return undefined;
  const values = all.filter(({ text }) => text !== HOST_NAMESPACE);
  const test = makeTest("equal", { ...reading, values, form });
  if (test?.kind !== "number" || values.length === all.length) return test;
  return { ...test, withHost: true };
}

function open(
  node: YamlNode,
  { section, operators, reading }: {
    section: Section;
    operators: Operators;
    reading: SpecReading;
  },
): { fields: Fields; comparison: Comparison } | undefined {
  const fields = openSection(node, section, reading);
  const name = fields?.text("operator");
  if (fields === undefined || name === undefined) return undefined;
  const comparison = Object.hasOwn(operators, name) ? operators[name] : undefined;
  if (comparison !== undefined) return { fields, comparison };
  const spot = fields.valueSpot("operator");
  const text = quoted(name, `is no operator of ${section.name.replace(/^a condition of /, "")}`);
  reading.problems.add(spot, text, suggestion(name, Object.keys(operators)));
  return undefined;
}

function readWord<Value>(
  fields: Fields,
  key: string,
  { words, reading }: { words: ReadonlyMap<string, Value>; reading: SpecReading },
): Value | undefined {
  const name = fields.text(key);
  if (name === undefined) return undefined;
  const value = words.get(name);
  if (value !== undefined) return value;
  const known = [...words.keys()];
  const spot = fields.valueSpot(key);
  reading.problems.add(spot, quoted(name, `is no ${key}`), suggestion(name, known));
  return undefined;
}
