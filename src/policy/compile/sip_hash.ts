/**
 * SipHash-1-3, as the programs compute it: the key of exact texts. With a secret that nobody knows,
 * nobody can make a text that collides with a listed one.
 *
 * @module
 */

/** The secret: k0 and k1, low half first. */
export type SipSecret = readonly [number, number, number, number];

/** Low and high half of the hash, as unsigned numbers. */
export type SipHash = readonly [number, number];

/** A secret for this run. */
export function randomSipSecret(): SipSecret {
  const [a = 0, b = 0, c = 0, d = 0] = crypto.getRandomValues(new Uint32Array(4));
  return [a, b, c, d];
}

/** Hash of `bytes`. */
export function sipHash(secret: SipSecret, bytes: Uint8Array): SipHash {
  const state = new SipState(secret);
  const whole = bytes.length & ~7;
  for (let at = 0; at < whole; at += 8) {
    state.absorb(littleEndian(bytes, at, 4), littleEndian(bytes, at + 4, 4));
  }
  const rest = bytes.length - whole;
  const low = littleEndian(bytes, whole, Math.min(rest, 4));
  const high = rest > 4 ? littleEndian(bytes, whole + 4, rest - 4) : 0;
  state.absorb(low, high | (bytes.length << 24));
  return state.finish();
}

function littleEndian(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = 0; i < size; i++) value |= bytes[at + i]! << (8 * i);
  return value;
}

/** Four 64-bit words in halves: v0 is [1]:[0], v1 [3]:[2], v2 [5]:[4], v3 [7]:[6]. */
class SipState {
  readonly #v = new Int32Array(8);

  constructor([k0, k0High, k1, k1High]: SipSecret) {
    const v = this.#v;
    v[0] = k0 ^ 0x70736575;
    v[1] = k0High ^ 0x736f6d65;
    v[2] = k1 ^ 0x6e646f6d;
    v[3] = k1High ^ 0x646f7261;
    v[4] = k0 ^ 0x6e657261;
    v[5] = k0High ^ 0x6c796765;
    v[6] = k1 ^ 0x79746573;
    v[7] = k1High ^ 0x74656462;
  }

  absorb(low: number, high: number): void {
    this.#mix(6, low, high);
    this.#round();
    this.#mix(0, low, high);
  }

  finish(): SipHash {
    const v = this.#v;
    v[4]! ^= 0xff;
    for (let i = 0; i < 3; i++) this.#round();
    return [
      (v[0]! ^ v[2]! ^ v[4]! ^ v[6]!) >>> 0,
      (v[1]! ^ v[3]! ^ v[5]! ^ v[7]!) >>> 0,
    ];
  }

  #mix(at: number, low: number, high: number): void {
    this.#v[at]! ^= low;
    this.#v[at + 1]! ^= high;
  }

  #round(): void {
    this.#add(0, 2);
    this.#rotate(2, 13);
    this.#mix(2, this.#v[0]!, this.#v[1]!);
    this.#swap(0);
    this.#add(4, 6);
    this.#rotate(6, 16);
    this.#mix(6, this.#v[4]!, this.#v[5]!);
    this.#add(0, 6);
    this.#rotate(6, 21);
    this.#mix(6, this.#v[0]!, this.#v[1]!);
    this.#add(4, 2);
    this.#rotate(2, 17);
    this.#mix(2, this.#v[4]!, this.#v[5]!);
    this.#swap(4);
  }

  #add(to: number, from: number): void {
    const v = this.#v;
    const low = (v[to]! >>> 0) + (v[from]! >>> 0);
    v[to] = low;
    v[to + 1] = v[to + 1]! + v[from + 1]! + (low > 0xffff_ffff ? 1 : 0);
  }

  /** To the left, by less than 32. */
  #rotate(at: number, by: number): void {
    const v = this.#v;
    const [low, high] = [v[at]!, v[at + 1]!];
    v[at] = (low << by) | (high >>> (32 - by));
    v[at + 1] = (high << by) | (low >>> (32 - by));
  }

  /** To the left, by 32. */
  #swap(at: number): void {
    const v = this.#v;
    const low = v[at]!;
    v[at] = v[at + 1]!;
    v[at + 1] = low;
  }
}
