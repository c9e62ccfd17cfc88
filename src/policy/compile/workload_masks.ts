/**
 * Which policies the workloads of each set see: the last stores of a policy that comes, the first
 * of one that goes.
 *
 * @module
 */
import type { Policy } from "../model.ts";
import type { HookTables } from "./hook_tables.ts";
import { bitOf, PolicyLimit } from "./kernel_contract.ts";
import type { WordCost } from "./place_policy.ts";
import type { PlacedHook, PlacedPolicy } from "./placed_policy.ts";
import { SetSlots } from "./set_slots.ts";
import type { TableWriter } from "./table_writer.ts";

/** Whether a selector is about the workloads of a set. It must not change while the set exists. */
export type Concerns = (
  set: number,
  policy: Policy,
  hookIndex: number,
  selectorIndex: number,
) => boolean;

/** Policies that come and go at once. */
export interface SeenChange {
  readonly on: readonly PlacedPolicy[];
  readonly off: readonly PlacedPolicy[];
}

/** New values of words, by hook. */
type HookChanges = Map<number, Map<number, bigint>>;

/** Masks of all sets. Set 0 is always there. */
export class WorkloadMasks {
  readonly #writer: TableWriter;
  readonly #concerns: Concerns;
  readonly #slots: SetSlots;
  readonly #sets = new Set<number>([0]);

  constructor(writer: TableWriter, concerns: Concerns, slotsMax: number) {
    this.#writer = writer;
    this.#concerns = concerns;
    this.#slots = new SetSlots(writer, slotsMax);
  }

  get freeSlots(): number {
    return this.#slots.freeCount;
  }

  get usedSlots(): number {
    return this.#slots.usedCount;
  }

  /** Slots that `apply()` would take. Policies that only go take none. */
  slotsNeeded(change: SeenChange): number {
    if (change.on.length === 0) return 0;
    let needed = 0;
    for (const set of this.#sets) {
      for (const [hook, words] of this.#changesOf(set, change)) {
        if (this.#slots.needsSlot(set, hook, words)) needed++;
      }
    }
    return needed;
  }

  /** Per set and hook at once. Gives the slots that nothing names any more. */
  apply({ on, off }: SeenChange): number[] {
    // A policy is in one word of a hook, so one that goes needs no slot; several at once might.
    const steps = on.length === 0 ? off.map((policy) => [policy]) : [off];
    return steps.flatMap((step) =>
      [...this.#sets].flatMap((set) => this.#applyTo(set, { on, off: step }))
    );
  }

  /** Whether `setTrees()` would take a slot. */
  treesNeedSlot(bits: bigint): boolean {
    return this.#slots.needsSlot(0, PolicyLimit.TREE_HOOK, new Map([[0, bits]]));
  }

  /** Trees that processes enter. Gives the slots that nothing names any more. */
  setTrees(bits: bigint): number[] {
    const slot = this.#slots.apply(0, PolicyLimit.TREE_HOOK, new Map([[0, bits]]));
    return slot === undefined ? [] : [slot];
  }

  /** A new set, complete when this returns. False: there are too few slots. */
  addSet(set: number, policies: readonly PlacedPolicy[]): boolean {
    const change = { on: policies, off: [] };
    if (this.#changesOf(set, change).size > this.#slots.freeCount) return false;
    this.#sets.add(set);
    this.#applyTo(set, change);
    return true;
  }

  /** Gives the slots that nothing names any more. */
  removeSet(set: number, policies: readonly PlacedPolicy[]): number[] {
    this.#sets.delete(set);
    return policies.flatMap((policy) => this.#applyTo(set, { on: [], off: [policy] }));
  }

  /** Slots that nothing names can be used again when no call looks at them. */
  async giveBack(slots: readonly number[]): Promise<void> {
    if (slots.length === 0) return;
    await this.#writer.settle();
    this.reuse(slots);
  }

  /** The same, a grace period after they were named. */
  reuse(slots: readonly number[]): void {
    for (const slot of slots) this.#slots.giveBack(slot);
  }

  /**
   * How many sets' programs would have one more word to look at. Words in `near` come first: what
   * goes out of the same word as something else comes in needs one store.
   */
  wordCost(
    policy: Policy,
    indexes: readonly number[],
    { id }: HookTables,
    near: ReadonlySet<number>,
  ): WordCost {
    const sets = [...this.#sets].filter((set) =>
      indexes.some((index) =>
        policy.hooks[index]!.selectors.some((_, i) => this.#concerns(set, policy, index, i))
      )
    );
    return (word) =>
      near.has(word) ? -1 : sets.filter((set) => this.#slots.word(set, id, word) === 0n).length;
  }

  #applyTo(set: number, change: SeenChange): number[] {
    return [...this.#changesOf(set, change)]
      .map(([hook, words]) => this.#slots.apply(set, hook, words))
      .filter((slot) => slot !== undefined);
  }

  #changesOf(set: number, { on, off }: SeenChange): HookChanges {
    const changes: HookChanges = new Map();
    const apply = (placed: PlacedPolicy, change: (bits: bigint, own: bigint) => bigint) => {
      for (const where of placed.hooks) {
        const own = this.#ownBits(set, placed.policy, where);
        if (own === 0n) continue;
        const { hook: { id }, word } = where;
        const words = changes.get(id) ?? new Map<number, bigint>();
        changes.set(id, words);
        words.set(word, change(words.get(word) ?? this.#slots.word(set, id, word), own));
      }
    };
    for (const placed of off) apply(placed, (bits, own) => bits & ~own);
    for (const placed of on) apply(placed, (bits, own) => bits | own);
    return changes;
  }

  #ownBits(set: number, policy: Policy, where: PlacedHook): bigint {
    let bits = 0n;
    for (let i = 0; i < where.selectorCount; i++) {
      if (this.#concerns(set, policy, where.index, i)) bits |= bitOf(where.firstBit + i);
    }
    return bits;
  }
}
