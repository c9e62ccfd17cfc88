/**
 * The bits of one hook: which are taken, which rest, which are free.
 *
 * @module
 */
import { PolicyLimit, WORD_BITS } from "./kernel_contract.ts";

/** Bits next to each other in one word. */
export interface BitRun {
  readonly word: number;
  readonly first: number;
  readonly size: number;
}

/** The bits of a run. */
export function bitsOfRun({ first, size }: BitRun): bigint {
  return ((1n << BigInt(size)) - 1n) << BigInt(first);
}

/** Bits of a hook. */
export class BitWords {
  /** Taken or resting. */
  readonly #taken = new BigUint64Array(PolicyLimit.WORDS_MAX);

  /** Whether not one bit is taken or rests. */
  get isEmpty(): boolean {
    return this.#taken.every((word) => word === 0n);
  }

  /**
   * Takes `size` free bits, in the word that costs least, of those the first. Undefined: no word
   * has as many next to each other.
   */
  take(size: number, costOf: (word: number) => number): BitRun | undefined {
    let best: BitRun | undefined;
    let bestCost = Infinity;
    for (let word = 0; word < PolicyLimit.WORDS_MAX; word++) {
      const first = this.#findRun(word, size);
      if (first === undefined) continue;
      const cost = costOf(word);
      if (cost >= bestCost) continue;
      best = { word, first, size };
      bestCost = cost;
    }
    if (best !== undefined) this.#taken[best.word]! |= bitsOfRun(best);
    return best;
  }

  giveBack(run: BitRun): void {
    this.#taken[run.word]! &= ~bitsOfRun(run);
  }

  #findRun(word: number, size: number): number | undefined {
    const taken = this.#taken[word]!;
    if (taken === ALL_TAKEN) return undefined;
    const wanted = (1n << BigInt(size)) - 1n;
    for (let first = 0; first + size <= WORD_BITS; first++) {
      if ((taken & (wanted << BigInt(first))) === 0n) return first;
    }
    return undefined;
  }
}

const ALL_TAKEN = 2n ** BigInt(WORD_BITS) - 1n;
