/**
 * How much kernel memory a policy takes.
 *
 * @module
 */
import type { Policy } from "../model.ts";
import { PolicyLimit, TestNumber } from "./kernel_contract.ts";
import {
  comparisonKey,
  followsTree,
  type Listing,
  listSelector,
  listTree,
} from "./selector_listings.ts";

/** Bytes by what they are for. */
export interface PolicyMemory {
  /** Rows of the values that it lists. */
  readonly rows: number;
  /** Their map elements: key, value and what the kernel keeps with them. */
  readonly keys: number;
  readonly total: number;
}

const WORD_SIZE = 8;
const ROW_SIZE = PolicyLimit.WORDS_MAX * WORD_SIZE;

/** `struct htab_elem` of kernel/bpf/hashtab.c, 64-bit, before the key. */
const HASH_HEADER_SIZE = 48;
/** `struct lpm_trie_node` of kernel/bpf/lpm_trie.c up to 6.12, before the data; later less. */
const LPM_HEADER_SIZE = 40;
/** An LPM map has a node for each place where two keys part: as many as keys, at most. */
const LPM_NODES = 2;
const ROW_NUMBER_SIZE = 4;

/** Bytes of a key: of LPM keys without the number of bits, which is part of the header. */
const KEY_SIZES: Readonly<Record<number, number>> = {
  [TestNumber.TEXT]: 16,
  [TestNumber.NUMBER]: 16,
  [TestNumber.BITS]: 16,
  [TestNumber.PREFIX]: 4 + PolicyLimit.PREFIX_SIZE_MAX,
  [TestNumber.POSTFIX]: 4 + PolicyLimit.POSTFIX_SIZE_MAX,
  [TestNumber.RANGE]: 12,
  [TestNumber.NETWORK]: 20,
};
const HASH_TESTS: ReadonlySet<number> = new Set([
  TestNumber.TEXT,
  TestNumber.NUMBER,
  TestNumber.BITS,
]);

/** Sizes in which the kernel's allocators give memory out. */
const SIZES = [64, 96, 128, 192, 256, 512, 1024];

/**
 * What a policy takes at most: each value counts in full, though policies on a hook share those
 * they have in common. What is the same for any number of policies does not count: programs, hooks,
 * effects and masks.
 */
export function estimateMemory(policy: Policy): PolicyMemory {
  // Selectors of one hook that list the same value share it.
  const values = new Map<string, number>();
  // As if no two conditions shared a tree.
  let trees = 0;
  policy.hooks.forEach(({ selectors }, index) => {
    for (const selector of selectors) {
      enter(values, String(index), listSelector(selector, () => trees++ % PolicyLimit.TREES_MAX));
      for (const condition of selector.conditions) {
        // Who begins a tree is listed in the tables of exec.
        if (followsTree(condition.subject)) enter(values, `tree ${trees}`, listTree(condition));
      }
    }
  });
  const rows = values.size * ROW_SIZE;
  const keys = values.values().reduce((sum, test) => sum + elementSize(test), 0);
  return { rows, keys, total: rows + keys };
}

/** Enters the values of a selector, with how they are compared. */
function enter(values: Map<string, number>, where: string, listings: readonly Listing[]): void {
  const instances = new Map<string, number>();
  for (const { comparison, digits } of listings) {
    const key = comparisonKey(comparison);
    const instance = instances.get(key) ?? 0;
    instances.set(key, instance + 1);
    for (const value of digits) values.set(`${where} ${key} ${instance} ${value}`, comparison.test);
  }
}

function elementSize(test: number): number {
  const key = KEY_SIZES[test]!;
  if (HASH_TESTS.has(test)) return allocatedSize(HASH_HEADER_SIZE + key + WORD_SIZE);
  return LPM_NODES * allocatedSize(LPM_HEADER_SIZE + key + ROW_NUMBER_SIZE);
}

function allocatedSize(size: number): number {
  return SIZES.find((other) => other >= size)!;
}
