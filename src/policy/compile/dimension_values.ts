/**
 * The values that selectors list in one dimension, each with its row.
 *
 * Of prefixes the kernel finds only the longest, so the row of a prefix has the bits of all shorter
 * ones too: a new prefix begins with them, and a listed one goes into the rows of all longer ones.
 *
 * @module
 */
import { PolicyLimit, TestNumber } from "./kernel_contract.ts";
import type { SipSecret } from "./sip_hash.ts";
import { Stage, type StagedStores } from "./staged_stores.ts";
import { listedKey, TABLE_OF_TEST } from "./table_keys.ts";
import type { TableRows } from "./table_rows.ts";

/** What the values of all dimensions share. */
export interface ValueSpace {
  readonly rows: TableRows;
  readonly stores: StagedStores;
  readonly secret: SipSecret;
}

interface ListedValue {
  readonly digits: string;
  readonly row: number;
  /** Bits of the selectors that list it themselves, per word. */
  readonly own: Map<number, bigint>;
}

/** Values of one dimension. */
export class DimensionValues {
  readonly #space: ValueSpace;
  readonly #test: number;
  readonly #dimId: number;
  readonly #values = new Map<string, ListedValue>();
  /** Only of prefixes: their digits in order, and how many have a length. */
  readonly #sorted: string[] = [];
  readonly #lengths = new Map<number, number>();

  constructor(space: ValueSpace, test: number, dimId: number) {
    this.#space = space;
    this.#test = test;
    this.#dimId = dimId;
  }

  get size(): number {
    return this.#values.size;
  }

  /** Digits of all values. */
  digits(): Iterable<string> {
    return this.#values.keys();
  }

  /**
   * A selector lists a value. A selector's prefixes are none of each other. False when there is no
   * row left; then nothing has changed.
   */
  list(digits: string, word: number, bit: bigint): boolean {
    const value = this.#values.get(digits) ?? this.#enter(digits);
    if (value === undefined) return false;
    value.own.set(word, (value.own.get(word) ?? 0n) | bit);
    this.#space.rows.setBits(value.row, word, bit);
    for (const longer of this.#longer(digits)) this.#space.rows.setBits(longer.row, word, bit);
    return true;
  }

  /**
   * Takes that back; no call looks at the bit any more. Gives the row that nobody lists any more:
   * calls may still look at it for a grace period, and find the bits of others there.
   */
  unlist(digits: string, word: number, bit: bigint): number | undefined {
    const value = this.#values.get(digits)!;
    this.#space.rows.clearBits(value.row, word, bit);
    for (const longer of this.#longer(digits)) this.#space.rows.clearBits(longer.row, word, bit);
    const own = value.own.get(word)! & ~bit;
    if (own !== 0n) value.own.set(word, own);
    else value.own.delete(word);
    if (value.own.size > 0) return undefined;
    this.#drop(value);
    return value.row;
  }

  /** A row that `unlist()` gave; no call looks at it any more. */
  giveBackRow(row: number): void {
    this.#space.rows.giveBack(row);
  }

  #enter(digits: string): ListedValue | undefined {
    const { rows, stores } = this.#space;
    const row = rows.take();
    if (row === undefined) return undefined;
    const value: ListedValue = { digits, row, own: new Map() };
    for (const shorter of this.#shorter(digits)) {
      for (const [word, bits] of shorter.own) rows.setBits(row, word, bits);
    }
    this.#values.set(digits, value);
    if (this.#isPrefixTest) {
      this.#sorted.splice(this.#position(digits), 0, digits);
      this.#lengths.set(digits.length, (this.#lengths.get(digits.length) ?? 0) + 1);
    }
    const key = this.#key(digits);
    stores.add(Stage.ENTRIES, (writer) => writer.setEntry(TABLE_OF_TEST[this.#test]!, key, row));
    return value;
  }

  #drop({ digits }: ListedValue): void {
    this.#values.delete(digits);
    if (this.#isPrefixTest) {
      this.#sorted.splice(this.#position(digits), 1);
      const count = this.#lengths.get(digits.length)! - 1;
      if (count > 0) this.#lengths.set(digits.length, count);
      else this.#lengths.delete(digits.length);
    }
    const key = this.#key(digits);
    const table = TABLE_OF_TEST[this.#test]!;
    this.#space.stores.add(Stage.ENTRIES, (writer) => writer.deleteEntry(table, key));
  }

  get #isPrefixTest(): boolean {
    return PREFIX_TESTS.has(this.#test);
  }

  #key(digits: string): Uint8Array {
    return listedKey(this.#space.secret, this.#test, this.#dimId, digits);
  }

  *#shorter(digits: string): Iterable<ListedValue> {
    for (const length of this.#lengths.keys()) {
      if (length >= digits.length) continue;
      const value = this.#values.get(digits.slice(0, length));
      if (value !== undefined) yield value;
    }
  }

  *#longer(digits: string): Iterable<ListedValue> {
    if (!this.#isPrefixTest) return;
    for (let at = this.#position(digits); at < this.#sorted.length; at++) {
      const other = this.#sorted[at]!;
      if (!other.startsWith(digits)) return;
      if (other !== digits) yield this.#values.get(other)!;
    }
  }

  /** Where a prefix stands, or would stand, in order. */
  #position(digits: string): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]! < digits) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const PREFIX_TESTS: ReadonlySet<number> = new Set([
  TestNumber.PREFIX,
  TestNumber.POSTFIX,
  TestNumber.RANGE,
  TestNumber.NETWORK,
]);

/** What the longest listed text may have, of tests that have such a limit. */
export const DIGITS_MAX: Readonly<Record<number, number>> = {
  [TestNumber.TEXT]: PolicyLimit.TEXT_SIZE_MAX - 1,
  [TestNumber.PREFIX]: PolicyLimit.PREFIX_SIZE_MAX,
  [TestNumber.POSTFIX]: PolicyLimit.POSTFIX_SIZE_MAX,
};
