/**
 * The conditions of a selector as what the kernel can look up: per value and way of comparing it,
 * the values that are listed. Conditions on the same value are merged where that is possible; what
 * cannot be merged becomes a listing of its own.
 *
 * @module
 */
import type { Condition, Selector, Subject, Test } from "../model.ts";
import {
  CAPABILITY_PART,
  DimFlag,
  NAMESPACE_PART,
  PART,
  Source,
  TestNumber,
} from "./kernel_contract.ts";
import {
  byteText,
  intersectExact,
  intersectPrefixes,
  intersectRanges,
  joinRanges,
  prefixesOfAddresses,
  prefixesOfNumbers,
  rangeOfNetwork,
  shortestPrefixes,
  subtractRanges,
} from "./value_sets.ts";

/** What is compared and how; of arguments it says which of the policy's, not yet which slot. */
export interface Comparison {
  readonly source: number;
  readonly test: number;
  readonly part: number;
  readonly flags: number;
  /** Of Source.ARG: position in `PolicyHook.args`. */
  readonly position?: number;
}

/** Values of one comparison. */
export interface Listing {
  readonly comparison: Comparison;
  /** The selector wants a value that is not listed. */
  readonly isNegated: boolean;
  /**
   * Texts: a character per byte; postfixes from the last byte on. Ranges and networks: "0" and "1",
   * the bits of a prefix. Numbers and bit numbers: decimal.
   */
  readonly digits: readonly string[];
}

/** A condition on ancestors too: a tree of processes. */
export type TreeCondition = Pick<Condition, "subject" | "test" | "isNegated">;

/** Gives the bit of the tree of those that meet a condition, negation left aside. */
export type TreeBits = (condition: TreeCondition) => number;

type TestOf<Kind extends Test["kind"]> = Extract<Test, { kind: Kind }>;

/** Conditions on the same value, compared in the same way. */
interface Comparands {
  readonly comparison: Comparison;
  readonly positive: Test[];
  readonly negative: Test[];
}

/** What a part of a selector comes down to. */
type Digits = Pick<Listing, "isNegated" | "digits">;

/** Listings of a selector; all must hold. */
export function listSelector(selector: Selector, treeBit: TreeBits): Listing[] {
  const groups = new Map<string, Comparands>();
  for (const condition of selector.conditions.flatMap(withImplied)) {
    const comparison = comparisonOf(condition);
    const key = comparisonKey(comparison);
    const group = groups.get(key) ?? { comparison, positive: [], negative: [] };
    groups.set(key, group);
    const test = comparison.source === Source.TREE
      ? { kind: "bits" as const, mask: 1n << BigInt(treeBit(condition)) }
      : condition.test;
    (condition.isNegated ? group.negative : group.positive).push(test);
  }
  return [...groups.values()].flatMap((group) =>
    mergeGroup(group)
      .filter(({ isNegated, digits }) => !(isNegated && digits.length === 0))
      .map((digits) => ({ comparison: group.comparison, ...digits }))
  );
}

/** Families of addresses that are not those of IP. What could not be read has none of them. */
const OTHER_FAMILIES: TestOf<"range"> = {
  kind: "range",
  isSigned: false,
  values: [{ first: 0n, last: 1n }, { first: 3n, last: 9n }, { first: 11n, last: 0xffffn }],
};

/** What processes of the host's pid namespace have for a pid of a namespace. */
const HOST_PID: TestOf<"number"> = { kind: "number", values: [0n] };

/** A condition with what it says beside its values. */
function withImplied(condition: Condition): Condition[] {
  const { subject, isNegated } = condition;
  if (isNegated && subject.of === "argument" && /_(address|port)$/.test(subject.part)) {
    const family = { ...subject, part: "family" } as const;
    return [condition, { ...condition, subject: family, test: OTHER_FAMILIES }];
  }
  if (subject.of === "pid" && subject.isNamespacePid && subject.followForks) {
    const own = { ...subject, followForks: false };
    return [condition, { ...condition, subject: own, test: HOST_PID, isNegated: true }];
  }
  return [condition];
}

/** Names a comparison within a policy's hook. */
export function comparisonKey({ source, test, part, flags, position }: Comparison): string {
  return `${source}.${test}.${part}.${flags}.${position ?? ""}`;
}

/** Who begins a tree: the processes that meet the condition themselves, its negation left aside. */
export function listTree(condition: TreeCondition): Listing[] {
  const comparison = comparisonOf(condition, false);
  return mergeGroup({ comparison, positive: [condition.test], negative: [] })
    .filter(({ isNegated }) => !isNegated)
    .map((digits) => ({ comparison, ...digits }));
}

function comparisonOf(
  { subject, test, isNegated }: TreeCondition,
  isTree = followsTree(subject),
): Comparison {
  const kind = isTree ? TestNumber.BITS : TEST_NUMBERS[test.kind];
  let flags = test.kind === "range" && test.isSigned ? DimFlag.SIGNED : 0;
  // Rows of two names can be ORed when a row is wanted, not when its absence is.
  if (subject.of === "binary" && !isTree && isNegated) {
    flags |= DimFlag.RESOLVED_ONLY;
  }
  return { test: kind, flags, part: 0, ...placeOf(subject, isTree) };
}

/** Whether a condition is about the ancestors too. */
export function followsTree(subject: Subject): boolean {
  return (subject.of === "pid" && subject.followForks) ||
    (subject.of === "binary" && subject.followChildren);
}

function placeOf(
  subject: Subject,
  isTree: boolean,
): { source: number; part?: number; position?: number } {
  if (isTree) return { source: Source.TREE };
  switch (subject.of) {
    case "pid":
      return { source: subject.isNamespacePid ? Source.NAMESPACE_TGID : Source.TGID };
    case "binary":
      return { source: Source.BINARY };
    case "argument":
      return { source: Source.ARG, part: PART[subject.part], position: subject.position };
    case "return":
      return { source: Source.RETURN };
    case "namespace":
      return { source: Source.NAMESPACE, part: NAMESPACE_PART[subject.namespace] };
    case "capabilities":
      return { source: Source.CAPABILITIES, part: CAPABILITY_PART[subject.set] };
  }
}

const TEST_NUMBERS: Readonly<Record<Test["kind"], number>> = {
  text: TestNumber.TEXT,
  prefix: TestNumber.PREFIX,
  postfix: TestNumber.POSTFIX,
  number: TestNumber.NUMBER,
  range: TestNumber.RANGE,
  bits: TestNumber.BITS,
  network: TestNumber.NETWORK,
};

/** Tests of a group all have the kind that its number says. */
function mergeGroup({ comparison, positive, negative }: Comparands): Digits[] {
  switch (comparison.test) {
    case TestNumber.TEXT: {
      const [wanted, unwanted] = [textSets(positive), textSets(negative)];
      // Each condition may be met by another name, so there is nothing to intersect.
      if (comparison.source === Source.BINARY) {
        return [...wanted.map(listed), unlisted(unwanted.flatMap((set) => [...set]))];
      }
      return mergeExact(wanted, unwanted);
    }
    case TestNumber.NUMBER:
      return mergeExact(numberSets(positive), numberSets(negative));
    case TestNumber.PREFIX:
    case TestNumber.POSTFIX:
      if (comparison.source === Source.BINARY) {
        return [
          ...prefixLists(positive).map(listed),
          unlisted(shortestPrefixes(prefixLists(negative).flat())),
        ];
      }
      return mergePrefixes(prefixLists(positive), prefixLists(negative));
    case TestNumber.BITS:
      return mergeMasks(masks(positive), masks(negative));
    case TestNumber.RANGE: {
      const ranges = (tests: Test[]) =>
        (tests as TestOf<"range">[]).map(({ values }) => joinRanges(values));
      return mergeRanges(ranges(positive), ranges(negative), prefixesOfNumbers);
    }
    default: {
      const ranges = (tests: Test[]) =>
        (tests as TestOf<"network">[]).map(({ values }) => joinRanges(values.map(rangeOfNetwork)));
      return mergeRanges(ranges(positive), ranges(negative), prefixesOfAddresses);
    }
  }
}

function listed(digits: Iterable<string>): Digits {
  return { isNegated: false, digits: [...digits] };
}

function unlisted(digits: Iterable<string>): Digits {
  return { isNegated: true, digits: [...new Set(digits)] };
}

function textSets(tests: Test[]): Set<string>[] {
  return (tests as TestOf<"text">[]).map(({ values }) => new Set(values.map(byteText)));
}

function numberSets(tests: Test[]): Set<string>[] {
  return (tests as TestOf<"number">[]).map(({ values }) =>
    new Set(values.map((value) => BigInt.asUintN(64, value).toString()))
  );
}

function prefixLists(tests: Test[]): string[][] {
  return (tests as TestOf<"prefix" | "postfix">[]).map(({ kind, values }) =>
    shortestPrefixes(
      values.map((value) => byteText(kind === "postfix" ? value.toReversed() : value)),
    )
  );
}

function masks(tests: Test[]): bigint[] {
  return (tests as TestOf<"bits">[]).map(({ mask }) => BigInt.asUintN(64, mask));
}

function mergeExact(wanted: readonly Set<string>[], unwanted: readonly Set<string>[]): Digits[] {
  const refused = new Set(unwanted.flatMap((set) => [...set]));
  if (wanted.length === 0) return [unlisted(refused)];
  return [listed([...intersectExact(wanted)].filter((value) => !refused.has(value)))];
}

/** Refused prefixes below a wanted one are holes: they need a listing of their own. */
function mergePrefixes(
  wanted: readonly (readonly string[])[],
  unwanted: readonly (readonly string[])[],
): Digits[] {
  const refused = shortestPrefixes(unwanted.flat());
  if (wanted.length === 0) return [unlisted(refused)];
  const left = intersectPrefixes(wanted)
    .filter((prefix) => !refused.some((other) => prefix.startsWith(other)));
  const holes = refused.filter((hole) => left.some((prefix) => hole.startsWith(prefix)));
  return [listed(left), unlisted(holes)];
}

/** "One of these bits and one of those" is no mask, unless one implies the other. */
function mergeMasks(wanted: readonly bigint[], unwanted: readonly bigint[]): Digits[] {
  const implied = (mask: bigint, i: number) =>
    wanted.some((other, j) => j !== i && (other & mask) === other && (other !== mask || j < i));
  return [
    ...wanted.filter((mask, i) => !implied(mask, i)).map((mask) => listed(bitNumbers(mask))),
    unlisted(bitNumbers(unwanted.reduce((all, mask) => all | mask, 0n))),
  ];
}

function bitNumbers(mask: bigint): string[] {
  const numbers: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (((mask >> BigInt(bit)) & 1n) === 1n) numbers.push(String(bit));
  }
  return numbers;
}

function mergeRanges(
  wanted: readonly ReturnType<typeof joinRanges>[],
  unwanted: readonly ReturnType<typeof joinRanges>[],
  prefixes: (ranges: ReturnType<typeof joinRanges>) => string[],
): Digits[] {
  const refused = joinRanges(unwanted.flat());
  if (wanted.length === 0) return [unlisted(prefixes(refused))];
  return [listed(prefixes(subtractRanges(intersectRanges(wanted), refused)))];
}
