/**
 * Conditions that descendants meet too: each is a tree of processes, and a bit in the value that a
 * process has in policy_trees. Policies with the same condition share one.
 *
 * @module
 */
import { bitOf, TREES_MAX } from "./kernel_contract.ts";
import type { TreeCondition } from "./selector_listings.ts";
import { Stage, type StagedStores } from "./staged_stores.ts";
import { byteText } from "./value_sets.ts";

/** A tree that policies look at: who meets the condition, and all who descend from it since. */
export interface ProcessTree {
  readonly bit: number;
  /** Its `isNegated` only says which names count, see `Subject`. */
  readonly condition: TreeCondition;
}

interface UsedTree extends ProcessTree {
  readonly key: string;
  users: number;
}

/** Trees of all policies. */
export class ProcessTrees {
  readonly #stores: StagedStores;
  readonly #trees = new Map<string, UsedTree>();
  /** In use, or still in processes. */
  #taken = 0n;

  constructor(stores: StagedStores) {
    this.#stores = stores;
  }

  [Symbol.iterator](): Iterator<ProcessTree> {
    return this.#trees.values();
  }

  /** The tree of a condition; undefined: there are too many. */
  take(condition: TreeCondition): ProcessTree | undefined {
    const key = treeKey(condition);
    let tree = this.#trees.get(key);
    if (tree === undefined) {
      const bit = this.#freeBit();
      if (bit === undefined) return undefined;
      tree = { bit, condition, key, users: 0 };
      this.#taken |= bitOf(bit);
      this.#trees.set(key, tree);
    }
    tree.users++;
    return tree;
  }

  /** True: nobody looks at it any more, so `forget()` it after a grace period. */
  giveBack({ condition }: ProcessTree): boolean {
    const tree = this.#trees.get(treeKey(condition))!;
    if (--tree.users > 0) return false;
    this.#trees.delete(tree.key);
    return true;
  }

  forget({ bit }: ProcessTree): void {
    this.#taken &= ~bitOf(bit);
    this.#stores.add(Stage.HOOKS, (writer) => writer.clearTree(bit));
  }

  #freeBit(): number | undefined {
    for (let bit = 0; bit < TREES_MAX; bit++) {
      if ((this.#taken & bitOf(bit)) === 0n) return bit;
    }
    return undefined;
  }
}

function treeKey({ subject, test, isNegated }: TreeCondition): string {
  // Negated conditions on texts look at one name of the program, others at two.
  const isResolvedOnly = subject.of === "binary" && (isNegated || test.kind !== "text");
  return JSON.stringify([subject, test, isResolvedOnly], (_, value) => {
    if (typeof value === "bigint") return `${value}n`;
    return value instanceof Uint8Array ? byteText(value) : value;
  });
}
