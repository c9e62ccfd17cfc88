/**
 * Finds room for a policy and fills the tables with it, all but the masks: nothing looks at it yet.
 *
 * @module
 */
import type { HookArgument, Policy, PolicyHook, Selector } from "../model.ts";
import { type BitRun, bitsOfRun } from "./bit_words.ts";
import { DIGITS_MAX } from "./dimension_values.ts";
import type { Dimension, DimensionKind } from "./hook_dimensions.ts";
import { kernelArg } from "./hook_arguments.ts";
import { type HookRegistry, type HookTables, pointKey } from "./hook_tables.ts";
import { bitOf, PolicyLimit, WORD_BITS } from "./kernel_contract.ts";
import { PolicyRefusal } from "./policy_refusal.ts";
import { placeEffects, storeMode } from "./place_effects.ts";
import type { ProcessTrees } from "./process_trees.ts";
import { type Listing, listSelector, type TreeCondition } from "./selector_listings.ts";

/** Gives something back; what must wait for a grace period comes back as a function. */
export type Release = () => (() => void) | void;

/** A hook of a policy with the bits of its selectors. */
export interface PlacedHook {
  readonly hook: HookTables;
  /** Position in `Policy.hooks`. */
  readonly index: number;
  readonly word: number;
  /** Bit of the first selector; the others follow. */
  readonly firstBit: number;
  readonly selectorCount: number;
}

/** A policy in the tables. */
export interface PlacedPolicy {
  readonly policy: Policy;
  readonly hooks: PlacedHook[];
  readonly runs: { readonly hook: HookTables; readonly run: BitRun }[];
  /** Each lets the ends of calls find nothing of a hook of it, by one store. */
  readonly ends: (() => void)[];
  /** In the order things were taken; they are given back the other way round. */
  readonly releases: Release[];
}

/** Where policies are placed. */
export interface PlaceSpace {
  readonly registry: HookRegistry;
  readonly trees: ProcessTrees;
  /** What it costs workloads when a policy's bits on a hook are in a word. */
  wordCost(policy: Policy, hookIndexes: readonly number[], hook: HookTables): WordCost;
}
export type WordCost = (word: number) => number;

/** Bits of a hook of a policy: selectors, and the guard if there are several. */
function bitCount({ selectors }: PolicyHook): number {
  return selectors.length === 1 ? 1 : selectors.length + 1;
}

/** Places into `placed`, which has what was taken also when it is refused. */
export function placePolicy(space: PlaceSpace, placed: PlacedPolicy): void {
  const { policy } = placed;
  const indexesByPoint = Map.groupBy(
    policy.hooks.keys(),
    (index) => pointKey(policy.hooks[index]!.point),
  );
  for (const indexes of indexesByPoint.values()) {
    const point = policy.hooks[indexes[0]!]!;
    const hook = space.registry.take(point.point);
    if (hook === undefined) {
      throw new PolicyRefusal(
        ...[policy.name, `${PolicyLimit.HOOKS_MAX} hooks are in use, and it needs another one`],
        ...["remove policies that are the only ones on their hook", point.place] as const,
      );
    }
    placed.releases.push(() => {
      hook.users--;
      return () => hook.updateFlags();
    });
    new HookPlacer(space, placed, hook).place(indexes);
    hook.updateFlags();
  }
}

/** Places what a policy has on one hook. */
class HookPlacer {
  readonly #space: PlaceSpace;
  readonly #placed: PlacedPolicy;
  readonly #hook: HookTables;

  constructor(space: PlaceSpace, placed: PlacedPolicy, hook: HookTables) {
    this.#space = space;
    this.#placed = placed;
    this.#hook = hook;
  }

  place(indexes: readonly number[]): void {
    const run = this.#takeBits(indexes);
    let firstBit = run.first;
    for (const index of indexes) {
      const hook = this.#placed.policy.hooks[index]!;
      const selectorCount = hook.selectors.length;
      const where = { hook: this.#hook, index, word: run.word, firstBit, selectorCount };
      this.#enterSelectors(where);
      this.#placeSelectors(where, hook);
      placeEffects(this.#placed, where);
      storeMode(where, this.#placed.policy.mode === "enforce");
      this.#placed.releases.push(() => storeMode(where, false));
      this.#placed.hooks.push(where);
      firstBit += bitCount(hook);
    }
  }

  /** All of a policy's bits on a hook are in one word: it comes and goes with one store. */
  #takeBits(indexes: readonly number[]): BitRun {
    const { policy } = this.#placed;
    const place = policy.hooks[indexes[0]!]!.place;
    const size = indexes.reduce((sum, index) => sum + bitCount(policy.hooks[index]!), 0);
    if (size > WORD_BITS) {
      throw new PolicyRefusal(
        policy.name,
        `its selectors on ${this.#name} need ${size} bits, ${WORD_BITS} fit`,
        "make it several policies, or one selector with several values",
        place,
      );
    }
    const cost = this.#space.wordCost(policy, indexes, this.#hook);
    const run = this.#hook.bits.take(size, cost);
    if (run === undefined) {
      const most = PolicyLimit.WORDS_MAX * WORD_BITS;
      throw new PolicyRefusal(
        policy.name,
        `${this.#name} has no ${size} bits left for its selectors, of ${most}`,
        "remove policies on this hook; bits of removed ones are free again after some seconds",
        place,
      );
    }
    // Who gives bits back knows whether calls may still have them: policy_tables.ts.
    this.#placed.runs.push({ hook: this.#hook, run });
    return run;
  }

  #enterSelectors({ hook, index, word, firstBit, selectorCount }: PlacedHook): void {
    const bits = bitsOfRun({ word, first: firstBit, size: selectorCount });
    hook.dims.enter(word, bits);
    this.#placed.releases.push(() => hook.dims.leave(word, bits));
    const { policy } = this.#placed;
    const argSlots = policy.hooks[index]!.args.map((argument) => this.#takeArgument(argument));
    for (let i = 0; i < selectorCount; i++) {
      const owner = { policy, hookIndex: index, selectorIndex: i, argSlots };
      hook.setOwner(word, firstBit + i, owner);
    }
  }

  #takeArgument(argument: HookArgument): number | undefined {
    const { args, point } = this.#hook;
    const arg = kernelArg(point, argument);
    if (arg === undefined) return undefined;
    const slot = args.take(arg);
    if (slot === undefined) {
      throw new PolicyRefusal(
        this.#placed.policy.name,
        `policies already look at ${PolicyLimit.ARGS_MAX} other arguments of ${this.#name}`,
        "read arguments with the same types and sizes as the other policies on this hook",
        argument.place,
      );
    }
    this.#placed.releases.push(() => args.giveBack(slot) ? () => args.forget(slot) : undefined);
    return slot;
  }

  #takeReturn(argument: HookArgument): void {
    const { args, point } = this.#hook;
    const arg = kernelArg(point, { ...argument, index: 0 });
    if (arg === undefined) return;
    if (!args.takeReturn(arg)) {
      throw new PolicyRefusal(
        this.#placed.policy.name,
        `another policy reads what ${this.#name} returns as another type`,
        "use the type that the other policies on this hook use",
        argument.place,
      );
    }
    this.#placed.releases.push(() => args.giveBackReturn() ? () => args.forgetReturn() : undefined);
  }

  #placeSelectors({ word, firstBit }: PlacedHook, hook: PolicyHook): void {
    if (hook.returns !== undefined) this.#takeReturn(hook.returns);
    const argSlots = this.#hook.owner(word, firstBit)!.argSlots;
    hook.selectors.forEach((selector, i) => {
      const instances = new Map<string, number>();
      for (const listing of listSelector(selector, (tree) => this.#treeBit(tree, selector))) {
        const { position, ...kind } = listing.comparison;
        const slot = position === undefined ? 0 : argSlots[position];
        if (slot === undefined) {
          throw new PolicyRefusal(
            this.#placed.policy.name,
            `it compares argument ${position}, which has no value`,
            'give the argument a type other than "nop"',
            selector.place,
          );
        }
        const dimension = { ...kind, slot };
        const key = Object.values(dimension).join(".");
        const instance = instances.get(key) ?? 0;
        instances.set(key, instance + 1);
        const dim = this.#takeDimension(dimension, instance, selector);
        this.#list(dim, listing, { word, bit: bitOf(firstBit + i), selector });
      }
    });
  }

  #treeBit(condition: TreeCondition, selector: Selector): number {
    const { trees } = this.#space;
    const tree = trees.take(condition);
    if (tree === undefined) {
      throw new PolicyRefusal(
        this.#placed.policy.name,
        "policies already follow 64 other trees of processes",
        "use the same followForks and followChildren conditions in several policies",
        selector.place,
      );
    }
    this.#placed.releases.push(() => trees.giveBack(tree) ? () => trees.forget(tree) : undefined);
    return tree.bit;
  }

  #takeDimension(kind: DimensionKind, instance: number, selector: Selector): Dimension {
    const { dims } = this.#hook;
    const dim = dims.take(kind, instance);
    if (dim === undefined) {
      throw new PolicyRefusal(
        this.#placed.policy.name,
        `${this.#name} already compares values in ${PolicyLimit.NO_DIM} other ways`,
        "use arguments and operators that other policies on this hook use",
        selector.place,
      );
    }
    this.#placed.releases.push(() => dims.giveBack(dim) ? () => dims.forget(dim) : undefined);
    return dim;
  }

  #list(
    dim: Dimension,
    { isNegated, digits }: Listing,
    { word, bit, selector }: { word: number; bit: bigint; selector: Selector },
  ): void {
    const { dims } = this.#hook;
    const { name } = this.#placed.policy;
    if (!isNegated) dims.reject(dim, word, bit);
    const listed: string[] = [];
    this.#placed.releases.push(() => {
      const rows = listed.map((value) => dim.values.unlist(value, word, bit))
        .filter((row) => row !== undefined);
      dims.updateBits(dim);
      return () => rows.forEach((row) => dim.values.giveBackRow(row));
    });
    for (const value of digits) {
      if (value.length > (DIGITS_MAX[dim.kind.test] ?? Infinity)) {
        throw new PolicyRefusal(
          ...[name, `a text of ${value.length} bytes is longer than the kernel compares`],
          ...[`use one of at most ${DIGITS_MAX[dim.kind.test]} bytes`, selector.place] as const,
        );
      }
      if (!dim.values.list(value, word, bit)) {
        throw new PolicyRefusal(
          ...[name, "the table of values is full"],
          ...["raise the number of policy values, or remove policies", selector.place] as const,
        );
      }
      listed.push(value);
    }
    dims.updateBits(dim);
  }

  get #name(): string {
    return `"${pointKey(this.#hook.point)}"`;
  }
}

/** Whether a hook of a policy is decided at the end of the call: it looks at what that returns. */
export function isDecidedAtEnd({ selectors }: PolicyHook): boolean {
  return selectors.some(({ conditions }) =>
    conditions.some(({ subject }) => subject.of === "return")
  );
}
