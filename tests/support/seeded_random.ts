/**
 * Random numbers for tests that can be had again: the seed is printed and taken from SHRIKE_SEED.
 *
 * @module
 */

/** Numbers from a 32-bit seed (mulberry32). Good enough to make test input. */
export class SeededRandom {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** Takes the seed from SHRIKE_SEED or the clock, and prints it to repeat a failure with. */
  static fromEnvironment(test: string): SeededRandom {
    const given = Deno.env.get("SHRIKE_SEED");
    const seed = given === undefined ? Date.now() >>> 0 : Number(given) >>> 0;
    console.log(`${test}: SHRIKE_SEED=${seed}`);
    return new SeededRandom(seed);
  }

  /** 0 <= n < 1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** Integer, 0 <= n < below. */
  below(below: number): number {
    return Math.floor(this.fraction() * below);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.below(items.length)] ?? items[0];
  }

  /** Often 0 or all ones, else any 32 bits. */
  u32(): number {
    return this.pick([0, 0xffff_ffff, this.below(0x1_0000_0000), this.below(100)]);
  }

  u64(): bigint {
    return BigInt(this.u32()) << 32n | BigInt(this.u32());
  }
}
