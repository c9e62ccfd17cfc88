/**
 * The kernel's tables in memory, for tests: the same keys, the same stores, the same look-ups.
 *
 * @module
 */
import { PolicyLimit } from "../compile/kernel_contract.ts";
import type {
  EffectField,
  KernelArg,
  KernelDim,
  TableWriter,
  ValueTable,
} from "../compile/table_writer.ts";
import { byteText } from "../compile/value_sets.ts";

/** `struct policy_hook`. */
export interface MemoryHook {
  flags: number;
  callDims: bigint;
  returnDims: bigint;
  readonly args: (KernelArg | undefined)[];
  returns: KernelArg | undefined;
  readonly dims: (KernelDim | undefined)[];
}

/** `struct policy_slot`. */
export interface MemorySlot {
  count: number;
  index: readonly number[];
  readonly mask: BigUint64Array;
}

/** `struct policy_effects`. */
export interface MemoryEffects extends Record<EffectField, BigUint64Array> {
  readonly effects: { kind: number; parameter: number; readonly bits: BigUint64Array }[];
}

const LPM_TABLES: ReadonlySet<ValueTable> = new Set([
  "policy_prefixes",
  "policy_postfixes",
  "policy_ranges",
  "policy_networks",
]);
const DIM_BITS = 32;
const LPM_VALUE_AT = 8;

/** All maps of policies. */
export class MemoryTables implements TableWriter {
  readonly rows = new Map<number, BigUint64Array>();
  /** By key, as text of its bytes; of LPM maps as dimension, bits and the bytes that count. */
  readonly entries = new Map<ValueTable, Map<string, number>>();
  readonly hooks = new Map<number, MemoryHook>();
  readonly slots = new Map<number, MemorySlot>();
  readonly masks = new Map<number, number>();
  readonly effects = new Map<number, MemoryEffects>();
  readonly clearedTrees: number[] = [];
  storeCount = 0;
  settleCount = 0;
  /** Bits that calls under way have deferred, as POLICY_DEFERRALS has them. */
  readonly deferred: { readonly hook: number; readonly word: number; readonly bits: bigint }[] = [];
  /** Called after each store. */
  onStore: () => void = () => {};
  /** Rows of prefixes by dimension, which has one map only, and by length, longest first. */
  readonly #texts = new WeakMap<Uint8Array, string>();
  readonly #prefixes = new Map<number, Map<number, Map<string, number>>>();

  setRowWord(row: number, word: number, bits: bigint): void {
    const words = getOrMake(this.rows, row, makeWords);
    words[word] = bits;
    if (words.every((other) => other === 0n)) this.rows.delete(row);
    this.#stored();
  }

  setEntry(table: ValueTable, key: Uint8Array, row: number): void {
    const entries = getOrMake(this.entries, table, () => new Map<string, number>());
    const text = this.#keyText(table, key);
    if (entries.has(text)) throw new Error(`${table} has the key already`);
    entries.set(text, row);
    this.#enterPrefix(table, key, row);
    this.#stored();
  }

  deleteEntry(table: ValueTable, key: Uint8Array): void {
    const entries = this.entries.get(table);
    const isThere = entries?.delete(this.#keyText(table, key)) ?? false;
    if (!isThere) throw new Error(`${table} has no such key`);
    if (entries?.size === 0) this.entries.delete(table);
    this.#deletePrefix(table, key);
    this.#stored();
  }

  setHookArg(hook: number, slot: number, arg: KernelArg | undefined): void {
    this.#hook(hook).args[slot] = arg;
    this.#storedHook(hook);
  }

  setHookReturn(hook: number, arg: KernelArg | undefined): void {
    this.#hook(hook).returns = arg;
    this.#storedHook(hook);
  }

  setHookDim(hook: number, dim: number, value: KernelDim | undefined): void {
    this.#hook(hook).dims[dim] = value;
    this.#storedHook(hook);
  }

  setHookDims(hook: number, list: "call" | "return", dims: bigint): void {
    this.#hook(hook)[list === "call" ? "callDims" : "returnDims"] = dims;
    this.#storedHook(hook);
  }

  setHookFlags(hook: number, flags: number): void {
    this.#hook(hook).flags = flags;
    this.#storedHook(hook);
  }

  setEffectWord(row: number, field: EffectField, word: number, bits: bigint): void {
    this.#effects(row)[field][word] = bits;
    this.#storedEffects(row);
  }

  setEffect(row: number, index: number, kind: number, parameter: number): void {
    const effect = this.#effects(row).effects[index]!;
    if (effect.bits.some((bits) => bits !== 0n)) throw new Error("the effect has bits");
    Object.assign(effect, { kind, parameter });
    this.#storedEffects(row);
  }

  setEffectBits(row: number, index: number, word: number, bits: bigint): void {
    this.#effects(row).effects[index]!.bits[word] = bits;
    this.#storedEffects(row);
  }

  setSlotIndex(slot: number, index: readonly number[]): void {
    if ([...this.masks.values()].includes(slot)) throw new Error("the slot is in use");
    this.#slot(slot).index = index;
    this.#stored();
  }

  setSlotMask(slot: number, position: number, bits: bigint): void {
    this.#slot(slot).mask[position] = bits;
    this.#storedSlot(slot);
  }

  setSlotCount(slot: number, count: number): void {
    this.#slot(slot).count = count;
    this.#storedSlot(slot);
  }

  setMask(set: number, hook: number, slot: number): void {
    this.masks.set(maskKey(set, hook), slot);
    this.#stored();
  }

  deleteMask(set: number, hook: number): void {
    if (!this.masks.delete(maskKey(set, hook))) throw new Error("there is no such mask");
    this.#stored();
  }

  clearTree(bit: number): void {
    this.clearedTrees.push(bit);
    this.#stored();
  }

  isDeferred(hook: number, word: number, bits: bigint): boolean {
    return this.deferred.some((row) =>
      row.hook === hook && row.word === word && (row.bits & bits) !== 0n
    );
  }

  settle(): Promise<void> {
    this.settleCount++;
    return Promise.resolve();
  }

  /** bpf_map_lookup_elem() of policy_masks and policy_slots. */
  slotOf(set: number, hook: number): MemorySlot | undefined {
    const slot = this.masks.get(maskKey(set, hook));
    return slot === undefined ? undefined : this.slots.get(slot);
  }

  /** bpf_map_lookup_elem() of a hash map of values; 0 when there is nothing. */
  lookUp(table: ValueTable, key: Uint8Array): number {
    return this.entries.get(table)?.get(byteText(key)) ?? 0;
  }

  /** bpf_map_lookup_elem() of an LPM map: the longest listed prefix; 0 when there is none. */
  lookUpLongest(dim: number, value: Uint8Array): number {
    const byLength = this.#prefixes.get(dim);
    if (byLength === undefined) return 0;
    const text = this.#textOf(value);
    const bits = value.length * 8;
    for (const [length, rows] of byLength) {
      if (length > bits) continue;
      const row = rows.get(firstBits(text, length));
      if (row !== undefined) return row;
    }
    return 0;
  }

  /** The same values are looked up again and again, in many dimensions. */
  #textOf(value: Uint8Array): string {
    let text = this.#texts.get(value);
    if (text === undefined) {
      text = byteText(value);
      this.#texts.set(value, text);
    }
    return text;
  }

  /** Whether nothing is left, anywhere. */
  get isEmpty(): boolean {
    return this.rows.size === 0 && this.hooks.size === 0 && this.slots.size === 0 &&
      this.masks.size === 0 && this.effects.size === 0 && this.entries.size === 0;
  }

  #keyText(table: ValueTable, key: Uint8Array): string {
    if (!LPM_TABLES.has(table)) return byteText(key);
    const { bits, dim, value } = readLpmKey(key);
    return `${dim} ${bits} ${firstBits(value, bits)}`;
  }

  #enterPrefix(table: ValueTable, key: Uint8Array, row: number): void {
    if (!LPM_TABLES.has(table)) return;
    const { bits, dim, value } = readLpmKey(key);
    const rows = this.#prefixes.get(dim)?.get(bits) ?? new Map<string, number>();
    rows.set(firstBits(value, bits), row);
    const byLength = new Map(this.#prefixes.get(dim)).set(bits, rows);
    this.#prefixes.set(dim, new Map([...byLength].sort(([a], [b]) => b - a)));
  }

  #deletePrefix(table: ValueTable, key: Uint8Array): void {
    if (!LPM_TABLES.has(table)) return;
    const { bits, dim, value } = readLpmKey(key);
    const byLength = this.#prefixes.get(dim)!;
    const rows = byLength.get(bits)!;
    rows.delete(firstBits(value, bits));
    if (rows.size === 0) byLength.delete(bits);
  }

  #hook(hook: number): MemoryHook {
    return getOrMake(this.hooks, hook, () => ({
      ...{ flags: 0, callDims: 0n, returnDims: 0n, returns: undefined },
      args: Array.from({ length: PolicyLimit.ARGS_MAX }),
      dims: Array.from({ length: PolicyLimit.DIMS_MAX }),
    }));
  }

  #slot(slot: number): MemorySlot {
    return getOrMake(this.slots, slot, () => ({ count: 0, index: [], mask: makeWords() }));
  }

  #effects(row: number): MemoryEffects {
    return getOrMake(this.effects, row, () => ({
      ...{ singles: makeWords(), starts: makeWords(), guards: makeWords(), post: makeWords() },
      ...{ enforce: makeWords(), waits: makeWords(), returns: makeWords() },
      ...{ defers: makeWords(), closes: makeWords() },
      effects: Array.from(
        { length: PolicyLimit.EFFECTS_MAX },
        () => ({ kind: 0, parameter: 0, bits: makeWords() }),
      ),
    }));
  }

  #stored(): void {
    this.storeCount++;
    this.onStore();
  }

  #storedHook(id: number): void {
    const { flags, callDims, returnDims, args, returns, dims } = this.#hook(id);
    const isZero = flags === 0 && callDims === 0n && returnDims === 0n && returns === undefined &&
      [...args, ...dims].every((part) => part === undefined);
    if (isZero) this.hooks.delete(id);
    this.#stored();
  }

  #storedEffects(row: number): void {
    const { effects, ...fields } = this.#effects(row);
    const isZero = effects.every(({ kind, bits }) => kind === 0 && isZeroWords(bits)) &&
      Object.values(fields).every(isZeroWords);
    if (isZero) this.effects.delete(row);
    this.#stored();
  }

  #storedSlot(slot: number): void {
    const { count, mask } = this.#slot(slot);
    const isFree = ![...this.masks.values()].includes(slot);
    // A slot that is being filled has an index already.
    if (isFree && count === 0 && isZeroWords(mask)) this.slots.delete(slot);
    this.#stored();
  }
}

function makeWords(): BigUint64Array {
  return new BigUint64Array(PolicyLimit.WORDS_MAX);
}

function isZeroWords(words: BigUint64Array): boolean {
  return words.every((word) => word === 0n);
}

function maskKey(set: number, hook: number): number {
  return set * PolicyLimit.HOOKS_MAX + hook;
}

function readLpmKey(key: Uint8Array): { bits: number; dim: number; value: string } {
  const view = new DataView(key.buffer, key.byteOffset);
  const bits = view.getUint32(0, true) - DIM_BITS;
  const value = byteText(key.subarray(LPM_VALUE_AT, LPM_VALUE_AT + (bits + 7 >> 3)));
  return { bits, dim: view.getUint32(4, false), value };
}

/** The first bits of a value, as LPM maps compare them: the rest of the last byte is 0. */
function firstBits(value: string, bits: number): string {
  const whole = bits >> 3;
  const rest = bits & 7;
  if (rest === 0) return value.slice(0, whole);
  const last = value.charCodeAt(whole) & (0xff00 >> rest);
  return value.slice(0, whole) + String.fromCharCode(last & 0xff);
}

function getOrMake<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
