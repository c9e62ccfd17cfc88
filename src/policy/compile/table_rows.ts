/**
 * policy_rows: which row belongs to which value, and what is in it.
 *
 * @module
 */
import { PolicyLimit } from "./kernel_contract.ts";
import { Stage, type StagedStores } from "./staged_stores.ts";

/** Words of all rows as they will be when the stores are done, and rows that are free. */
export class TableRows {
  readonly #stores: StagedStores;
  readonly #rowsMax: number;
  readonly #words: BigUint64Array;
  readonly #free: number[] = [];
  /** Rows from here on were never used. */
  #fresh: number = PolicyLimit.VALUE_ROW;

  /** `rowsMax`: rows of policy_rows, bases included. */
  constructor(stores: StagedStores, rowsMax: number) {
    this.#stores = stores;
    this.#rowsMax = rowsMax;
    this.#words = new BigUint64Array(rowsMax * PolicyLimit.WORDS_MAX);
  }

  /** Rows of values that can still be taken. */
  get freeCount(): number {
    return this.#free.length + this.#rowsMax - this.#fresh;
  }

  /** Rows of values in use. */
  get usedCount(): number {
    return this.#fresh - PolicyLimit.VALUE_ROW - this.#free.length;
  }

  /** A row for a value, all zero; undefined when there is none. */
  take(): number | undefined {
    const row = this.#free.pop();
    if (row !== undefined) return row;
    return this.#fresh < this.#rowsMax ? this.#fresh++ : undefined;
  }

  /** No call can see it any more. */
  giveBack(row: number): void {
    this.clear(row);
    this.#free.push(row);
  }

  word(row: number, word: number): bigint {
    return this.#words[row * PolicyLimit.WORDS_MAX + word]!;
  }

  set(row: number, word: number, bits: bigint): void {
    const at = row * PolicyLimit.WORDS_MAX + word;
    if (this.#words[at] === bits) return;
    this.#words[at] = bits;
    this.#stores.add(Stage.ROWS, (writer) => writer.setRowWord(row, word, bits));
  }

  setBits(row: number, word: number, bits: bigint): void {
    this.set(row, word, this.word(row, word) | bits);
  }

  clearBits(row: number, word: number, bits: bigint): void {
    this.set(row, word, this.word(row, word) & ~bits);
  }

  clear(row: number): void {
    for (let word = 0; word < PolicyLimit.WORDS_MAX; word++) this.set(row, word, 0n);
  }
}
