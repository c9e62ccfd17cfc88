/**
 * The operators of `matchArgs` and `matchReturnArgs`, one row each. `argument_types.ts` says which
 * of them a type takes.
 *
 * @module
 */
import type { ValuePart } from "../model.ts";
import { FAMILIES, PROTOCOLS, TCP_STATES } from "./kernel_words.ts";
import type { TestKind } from "./test_values.ts";
import type { ValueForm } from "./value_form.ts";

/** An operator that is compared. */
export interface OperatorRow {
  /** Published names, the usual one first. */
  readonly names: readonly string[];
  readonly what: string;
  readonly test: TestKind;
  readonly isNegated: boolean;
  readonly part: ValuePart;
  /** What its values are; missing: what the type says. */
  readonly form?: ValueForm;
}

function whole(
  names: readonly string[],
  test: TestKind,
  { what, isNegated = false }: { what: string; isNegated?: boolean },
): OperatorRow {
  return { names, what, test, isNegated, part: "value" };
}

/** The operator and its negation. */
function both(name: string, test: TestKind, what: string): OperatorRow[] {
  return [
    whole([name], test, { what: `is ${what}` }),
    whole([`Not${name}`], test, { what: `is not ${what}`, isNegated: true }),
  ];
}

/** SAddr, NotSAddr, SPort, NotSPort, SPortPriv, NotSPortPriv of one end. */
function end(letter: "S" | "D"): OperatorRow[] {
  const name = letter === "S" ? "source" : "destination";
  const row = (
    names: readonly string[],
    test: TestKind,
    { part, form, what }: { part: ValuePart; form: ValueForm; what: string },
  ): OperatorRow[] =>
    [false, true].map((isNegated) => ({
      names: isNegated ? names.flatMap(negatedNames) : names,
      what: `${isNegated ? "not " : ""}${what}`,
      test,
      isNegated,
      part,
      form,
    }));
  return [
    ...row([`${letter}Addr`], "network", {
      part: `${name}_address`,
      form: { kind: "address" },
      what: `${name} address in one of the networks`,
    }),
    ...row([`${letter}Class`], "network", {
      part: `${name}_address`,
      form: { kind: "class" },
      what: `${name} address in one of the classes`,
    }),
    ...row([`${letter}Port`], "range_or_number", {
      part: `${name}_port`,
      form: { kind: "port" },
      what: `${name} port is one of these or in a range`,
    }),
    ...row([`${letter}PortPriv`], "privileged_port", {
      part: `${name}_port`,
      form: { kind: "port" },
      what: `${name} port is below 1024`,
    }),
  ];
}

/** The published schema has both NotSPortPriv and NotSportPriv. */
function negatedNames(name: string): string[] {
  return name.endsWith("PortPriv") ? [`Not${name}`, `Not${name[0]}portPriv`] : [`Not${name}`];
}

/** Every operator. */
export const OPERATORS: readonly OperatorRow[] = [
  ...both("Equal", "equal", "one of the values"),
  ...both("Prefix", "prefix", "a text that begins with one of the values"),
  ...both("Postfix", "postfix", "a text that ends with one of the values"),
  whole(["GreaterThan", "GT"], "greater", { what: "is greater" }),
  whole(["LessThan", "LT"], "less", { what: "is less" }),
  whole(["Mask"], "mask", { what: "has one of the bits" }),
  whole(["InRange"], "range", { what: "is in one of the ranges" }),
  whole(["NotInRange"], "range", { what: "is in none of the ranges", isNegated: true }),
  whole(["InMap"], "range_or_number", { what: "is one of the values or in a range" }),
  whole(["NotInMap"], "range_or_number", { what: "is none of them", isNegated: true }),
  ...end("S"),
  ...end("D"),
  {
    names: ["Protocol"],
    what: "protocol is one of these",
    test: "equal",
    isNegated: false,
    part: "protocol",
    form: { kind: "number", bits: 16, isSigned: false, words: PROTOCOLS, name: "protocol" },
  },
  {
    names: ["Family"],
    what: "family is one of these",
    test: "equal",
    isNegated: false,
    part: "family",
    form: { kind: "number", bits: 16, isSigned: false, words: FAMILIES, name: "family" },
  },
  {
    names: ["State"],
    what: "state is one of these",
    test: "equal",
    isNegated: false,
    part: "state",
    form: { kind: "number", bits: 8, isSigned: false, words: TCP_STATES, name: "state" },
  },
];

/** Operators of the published form that are refused. */
export const REFUSED_OPERATORS: Readonly<Record<string, { reason: string; nearest: string }>> = {
  SubString: { reason: "texts are not searched", nearest: "use Prefix or Postfix" },
  SubStringIgnCase: { reason: "texts are not searched", nearest: "use Prefix or Postfix" },
  FileType: { reason: "kinds of files are not compared", nearest: "compare the path: Prefix" },
  NotFileType: {
    reason: "kinds of files are not compared",
    nearest: "compare the path: NotPrefix",
  },
  CelExpr: { reason: "expressions are not evaluated", nearest: "write one condition per part" },
  CapabilitiesGained: {
    reason: "two arguments are not compared with each other",
    nearest: "use matchCapabilities",
  },
  In: { reason: "it belongs to matchPIDs and the like", nearest: "use Equal" },
  NotIn: { reason: "it belongs to matchPIDs and the like", nearest: "use NotEqual" },
};

/** The row of an operator by any of its names. */
export function findOperator(name: string): OperatorRow | undefined {
  return OPERATORS.find(({ names }) => names.includes(name));
}

/** All names of operators that are compared. */
export function operatorNames(): string[] {
  return OPERATORS.flatMap(({ names }) => names);
}
