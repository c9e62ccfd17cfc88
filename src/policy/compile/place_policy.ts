/**
 * Finds room for a policy and fills the tables with it, all but the masks: nothing looks at it yet.
 *
 * @module
 */
import type { HookArgument, Policy, PolicyHook } from "../model.ts";
import { type BitRun, bitsOfRun } from "./bit_words.ts";
import { kernelArg } from "./hook_arguments.ts";
import { type HookRegistry, type HookTables, pointKey } from "./hook_tables.ts";
import { bitOf, PolicyLimit, WORD_BITS } from "./kernel_contract.ts";
import { hookName, placeListings } from "./place_listings.ts";
import type { PlacedHook, PlacedPolicy } from "./placed_policy.ts";
import { PolicyRefusal } from "./policy_refusal.ts";
import { placeEffects, storeMode } from "./place_effects.ts";
import type { ProcessTrees } from "./process_trees.ts";
import { listSelector, type TreeCondition } from "./selector_listings.ts";

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
        ...[policy.name, `${PolicyLimit.HOOKS_MAX - 1} hooks are in use, and it needs another one`],
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
    const { policy: { name }, releases } = this.#placed;
    const { argSlots } = this.#hook.owner(word, firstBit)!;
    hook.selectors.forEach((selector, i) => {
      const bit = bitOf(firstBit + i);
      const target = { hook: this.#hook, word, bit, argSlots, releases };
      const who = { policy: name, place: selector.place };
      const treeBit = (condition: TreeCondition) =>
        this.#space.trees.take(condition, releases, who).bit;
      placeListings(target, listSelector(selector, treeBit), who);
    });
  }

  get #name(): string {
    return hookName(this.#hook);
  }
}
