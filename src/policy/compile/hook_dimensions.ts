/**
 * The dimensions of one hook, made when a selector needs one and dropped with its last user.
 *
 * @module
 */
import { DimensionValues, type ValueSpace } from "./dimension_values.ts";
import { baseRow, dimId, PolicyLimit, Source, TestNumber } from "./kernel_contract.ts";
import { Stage } from "./staged_stores.ts";
import type { KernelDim } from "./table_writer.ts";

/** What a dimension compares; `bits` comes from its values. */
export type DimensionKind = Omit<KernelDim, "bits">;

/** One dimension. */
export interface Dimension {
  readonly number: number;
  readonly kind: DimensionKind;
  readonly values: DimensionValues;
}

interface UsedDimension extends Dimension {
  readonly key: string;
  users: number;
  bits: bigint;
}

/** Dimensions of one hook, and their bases. */
export class HookDimensions {
  readonly #space: ValueSpace;
  readonly #hook: number;
  readonly #dims: (UsedDimension | undefined)[] = Array.from({ length: PolicyLimit.NO_DIM });
  /** Dropped, but a call may still look at them. */
  readonly #dropped = new Set<number>();
  readonly #selectors = new BigUint64Array(PolicyLimit.WORDS_MAX);

  constructor(space: ValueSpace, hook: number) {
    this.#space = space;
    this.#hook = hook;
    this.#storeLists();
  }

  /** Those that are looked at. */
  *[Symbol.iterator](): Iterator<Dimension> {
    for (const dim of this.#dims) if (dim !== undefined) yield dim;
  }

  /** Bits of selectors: every dimension accepts them until `reject()`. */
  enter(word: number, bits: bigint): void {
    this.#selectors[word]! |= bits;
    for (const { number } of this) {
      this.#space.rows.setBits(baseRow(this.#hook, number), word, bits);
    }
  }

  /** They are gone, and no call has them. */
  leave(word: number, bits: bigint): void {
    this.#selectors[word]! &= ~bits;
    for (const { number } of this) {
      this.#space.rows.clearBits(baseRow(this.#hook, number), word, bits);
    }
  }

  /** A selector that is met by nothing but the values it lists. */
  reject({ number }: Dimension, word: number, bit: bigint): void {
    this.#space.rows.clearBits(baseRow(this.#hook, number), word, bit);
  }

  /**
   * The dimension of a kind; a selector that needs several takes `instance` 0, 1 and so on.
   * Undefined: the hook has all it can have.
   */
  take(kind: DimensionKind, instance: number): Dimension | undefined {
    const { test, source, slot, part, flags } = kind;
    const key = [source, slot, part, test, flags, instance].join(".");
    let dim = this.#dims.find((other) => other?.key === key);
    if (dim === undefined) {
      const number = this.#freeNumber();
      if (number === undefined) return undefined;
      const values = new DimensionValues(this.#space, test, dimId(this.#hook, number));
      dim = { number, kind, values, key, users: 0, bits: 0n };
      this.#dims[number] = dim;
      this.#selectors.forEach((bits, word) =>
        this.#space.rows.set(baseRow(this.#hook, number), word, bits)
      );
      this.#store(number, { ...kind, bits: 0n });
      this.#storeLists();
    }
    dim.users++;
    return dim;
  }

  /**
   * Takes that back; its values are gone. True: nobody uses it any more, so `forget()` it after a
   * grace period.
   */
  giveBack({ number }: Dimension): boolean {
    const dim = this.#dims[number]!;
    if (--dim.users > 0) return false;
    this.#dims[number] = undefined;
    this.#dropped.add(number);
    this.#storeLists();
    return true;
  }

  /** No call looks at it any more. */
  forget({ number }: Dimension): void {
    this.#dropped.delete(number);
    this.#space.rows.clear(baseRow(this.#hook, number));
    this.#store(number, undefined);
  }

  /** Of POLICY_TEST_BITS: which bits are looked up changes with the values. */
  updateBits({ number }: Dimension): void {
    const dim = this.#dims[number]!;
    if (dim.kind.test !== TestNumber.BITS) return;
    let bits = 0n;
    for (const digits of dim.values.digits()) bits |= 1n << BigInt(digits);
    if (bits === dim.bits) return;
    dim.bits = bits;
    this.#store(number, { ...dim.kind, bits });
  }

  #freeNumber(): number | undefined {
    const number = this.#dims.findIndex((dim, i) => dim === undefined && !this.#dropped.has(i));
    return number < 0 ? undefined : number;
  }

  #store(number: number, dim: KernelDim | undefined): void {
    const hook = this.#hook;
    this.#space.stores.add(Stage.HOOKS, (writer) => writer.setHookDim(hook, number, dim));
  }

  #storeLists(): void {
    for (const list of ["call", "return"] as const) {
      const numbers = [...this]
        .filter(({ kind }) => (kind.source === Source.RETURN) === (list === "return"))
        .sort((a, b) => costOf(a.kind) - costOf(b.kind) || a.number - b.number)
        .map(({ number }) => number);
      const word = packList(numbers);
      const hook = this.#hook;
      this.#space.stores.add(
        Stage.DIM_LISTS,
        (writer) => writer.setHookDims(hook, list, word),
      );
    }
  }
}

/** Numbers of dimensions as the program reads them. */
export function packList(numbers: readonly number[]): bigint {
  let word = 0n;
  [...numbers, PolicyLimit.NO_DIM].forEach((number, i) => word |= BigInt(number) << BigInt(4 * i));
  return word;
}

/** Numbers before texts, texts that must be made before those that are there. */
function costOf({ source, test }: DimensionKind): number {
  return (COST_OF_TEST[test] ?? 0) + (source === Source.BINARY ? 1 : 0);
}

const COST_OF_TEST: Readonly<Record<number, number>> = {
  [TestNumber.NUMBER]: 0,
  [TestNumber.BITS]: 2,
  [TestNumber.RANGE]: 4,
  [TestNumber.NETWORK]: 6,
  [TestNumber.TEXT]: 8,
  [TestNumber.PREFIX]: 10,
  [TestNumber.POSTFIX]: 12,
};
