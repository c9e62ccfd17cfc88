/**
 * Conditions that descendants meet too: each is a tree of processes, a bit in what the kernel keeps
 * of a process. Policies with the same condition share one.
 *
 * Who begins a tree is decided by the program of exec, in tables like those of a hook: a tree is a
 * selector of the hook with the number POLICY_TREE_HOOK, and its bit in word 0 is that of the tree.
 *
 * @module
 */
import type { ValueSpace } from "./dimension_values.ts";
import { HookTables } from "./hook_tables.ts";
import { bitOf, PolicyLimit } from "./kernel_contract.ts";
import { placeListings, type Refused, type Release } from "./place_listings.ts";
import { PolicyRefusal } from "./policy_refusal.ts";
import { listTree, type TreeCondition } from "./selector_listings.ts";
import { Stage } from "./staged_stores.ts";
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
  readonly releases: Release[];
}

const TREE_POINT = { kind: "raw_tracepoint", name: "sched_process_exec" } as const;

/** Trees of all policies. */
export class ProcessTrees {
  readonly #space: ValueSpace;
  readonly #trees = new Map<string, UsedTree>();
  /** In use, or still in processes. */
  #taken = 0n;
  #hook: HookTables | undefined;

  constructor(space: ValueSpace) {
    this.#space = space;
  }

  [Symbol.iterator](): Iterator<ProcessTree> {
    return this.#trees.values();
  }

  /** Bits of the trees in use. */
  get bits(): bigint {
    return [...this.#trees.values()].reduce((bits, { bit }) => bits | bitOf(bit), 0n);
  }

  /** The tree of a condition; `releases` gets how it is given back. */
  take(condition: TreeCondition, releases: Release[], refused: Refused): ProcessTree {
    const key = treeKey(condition);
    let tree = this.#trees.get(key);
    if (tree === undefined) {
      tree = { bit: this.#takeBit(refused), condition, key, users: 0, releases: [] };
      this.#trees.set(key, tree);
    }
    tree.users++;
    const taken = tree;
    releases.push(() => this.#giveBack(taken));
    if (tree.users === 1) this.#place(tree, refused);
    return tree;
  }

  #place({ bit, condition, releases }: UsedTree, refused: Refused): void {
    this.#hook ??= new HookTables(this.#space, PolicyLimit.TREE_HOOK, TREE_POINT);
    const hook = this.#hook;
    const target = { hook, word: 0, bit: bitOf(bit), argSlots: [], releases };
    hook.dims.enter(0, target.bit);
    releases.push(() => hook.dims.leave(0, target.bit));
    placeListings(target, listTree(condition), refused);
  }

  /** Execs may still let a process into the tree: its bit is free after a grace period. */
  #giveBack(tree: UsedTree): (() => void) | void {
    if (--tree.users > 0) return undefined;
    this.#trees.delete(tree.key);
    const forgets = tree.releases.toReversed().map((release) => release());
    return () => {
      for (const forget of forgets) forget?.();
      this.#taken &= ~bitOf(tree.bit);
      this.#space.stores.add(Stage.HOOKS, (writer) => writer.clearTree(tree.bit));
      if (this.#taken !== 0n) return;
      this.#hook?.erase();
      this.#hook = undefined;
    };
  }

  #takeBit(refused: Refused): number {
    for (let bit = 0; bit < PolicyLimit.TREES_MAX; bit++) {
      if ((this.#taken & bitOf(bit)) !== 0n) continue;
      this.#taken |= bitOf(bit);
      return bit;
    }
    throw new PolicyRefusal(
      refused.policy,
      `policies already follow ${PolicyLimit.TREES_MAX} other trees of processes`,
      "use the same followForks and followChildren conditions in several policies",
      refused.place,
    );
  }
}

function treeKey({ subject, test, isNegated }: TreeCondition): string {
  // Negated conditions look at one name of the program, others at two.
  const isResolvedOnly = subject.of === "binary" && isNegated;
  return JSON.stringify([subject, test, isResolvedOnly], (_, value) => {
    if (typeof value === "bigint") return `${value}n`;
    return value instanceof Uint8Array ? byteText(value) : value;
  });
}
