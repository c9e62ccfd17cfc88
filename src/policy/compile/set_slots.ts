/**
 * policy_masks and policy_slots: which bits of a hook concern the workloads of a set. These stores
 * are what makes policies seen, so they are done at once, each of them whole.
 *
 * @module
 */
import { PolicyLimit } from "./kernel_contract.ts";
import type { TableWriter } from "./table_writer.ts";

/** New values of words. */
export type WordChanges = ReadonlyMap<number, bigint>;

interface Slot {
  readonly number: number;
  /** A permutation of all words: it is complete for good. */
  readonly index: readonly number[];
  /** By position in `index`. */
  readonly masks: bigint[];
  count: number;
}

/** Slots of all sets and hooks. */
export class SetSlots {
  readonly #writer: TableWriter;
  readonly #slotsMax: number;
  readonly #slots = new Map<number, Slot>();
  readonly #free: number[] = [];
  #fresh = 0;

  constructor(writer: TableWriter, slotsMax: number) {
    this.#writer = writer;
    this.#slotsMax = slotsMax;
  }

  get freeCount(): number {
    return this.#free.length + this.#slotsMax - this.#fresh;
  }

  get usedCount(): number {
    return this.#slots.size;
  }

  /** The bits of a word. */
  word(set: number, hook: number, word: number): bigint {
    const slot = this.#slots.get(slotKey(set, hook));
    return slot === undefined ? 0n : slot.masks[slot.index.indexOf(word)]!;
  }

  /** Whether `apply()` would take a slot; one that it leaves can be given back later only. */
  needsSlot(set: number, hook: number, changes: WordChanges): boolean {
    const count = this.#changed(set, hook, changes).length;
    return this.#slots.has(slotKey(set, hook)) ? count > 1 : count > 0;
  }

  /**
   * Makes all changes seen at once. Gives the slot that nothing names any more; `giveBack()` it
   * after a grace period.
   */
  apply(set: number, hook: number, changes: WordChanges): number | undefined {
    const changed = this.#changed(set, hook, changes);
    if (changed.length === 0) return undefined;
    const key = slotKey(set, hook);
    const slot = this.#slots.get(key);
    if (slot !== undefined && changed.length === 1) {
      const [[word, bits]] = changed as [[number, bigint]];
      this.#store(slot, slot.index.indexOf(word), bits);
      if (slot.count > 0) return undefined;
      this.#slots.delete(key);
      this.#writer.deleteMask(set, hook);
      return slot.number;
    }
    const words = Array.from(
      { length: PolicyLimit.WORDS_MAX },
      (_, word) => changes.get(word) ?? this.word(set, hook, word),
    );
    if (words.every((bits) => bits === 0n)) {
      this.#slots.delete(key);
      this.#writer.deleteMask(set, hook);
      return slot!.number;
    }
    const other = this.#fill(words);
    this.#slots.set(key, other);
    this.#writer.setMask(set, hook, other.number);
    return slot?.number;
  }

  /** No call looks at it any more. */
  giveBack(slot: number): void {
    this.#writer.setSlotCount(slot, 0);
    for (let position = 0; position < PolicyLimit.WORDS_MAX; position++) {
      this.#writer.setSlotMask(slot, position, 0n);
    }
    this.#free.push(slot);
  }

  #changed(set: number, hook: number, changes: WordChanges): [number, bigint][] {
    return [...changes].filter(([word, bits]) => this.word(set, hook, word) !== bits);
  }

  /** One word of a slot that is in use. */
  #store(slot: Slot, position: number, bits: bigint): void {
    slot.masks[position] = bits;
    this.#writer.setSlotMask(slot.number, position, bits);
    const count = slot.masks.findLastIndex((mask) => mask !== 0n) + 1;
    if (count === slot.count) return;
    slot.count = count;
    this.#writer.setSlotCount(slot.number, count);
  }

  #fill(words: readonly bigint[]): Slot {
    const number = this.#free.pop() ?? this.#fresh++;
    const all = words.map((_, word) => word);
    const used = all.filter((word) => words[word] !== 0n);
    const index = [...used, ...all.filter((word) => words[word] === 0n)];
    const masks = index.map((word) => words[word]!);
    this.#writer.setSlotIndex(number, index);
    masks.slice(0, used.length).forEach((bits, i) => this.#writer.setSlotMask(number, i, bits));
    this.#writer.setSlotCount(number, used.length);
    return { number, index, masks, count: used.length };
  }
}

function slotKey(set: number, hook: number): number {
  return set * PolicyLimit.HOOKS_MAX + hook;
}
