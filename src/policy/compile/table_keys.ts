/**
 * Values as keys of the kernel's maps. Integers are little endian, as on all machines we run on;
 * the dimension and the value of an LPM key are big endian, first bit first.
 *
 * @module
 */
import { PolicyLimit, TestNumber } from "./kernel_contract.ts";
import { sipHash, type SipSecret } from "./sip_hash.ts";
import type { ValueTable } from "./table_writer.ts";
import { bytesOfText } from "./value_sets.ts";

const DIM_BITS = 32;
const LPM_HEADER_SIZE = 8;
const NUMBER_SIZE = 8;
const ADDRESS_SIZE = 16;

/** Map of each `policy_test`. */
export const TABLE_OF_TEST: Readonly<Record<number, ValueTable>> = {
  [TestNumber.TEXT]: "policy_texts",
  [TestNumber.PREFIX]: "policy_prefixes",
  [TestNumber.POSTFIX]: "policy_postfixes",
  [TestNumber.NUMBER]: "policy_numbers",
  [TestNumber.RANGE]: "policy_ranges",
  [TestNumber.BITS]: "policy_numbers",
  [TestNumber.NETWORK]: "policy_networks",
};

/** `struct policy_number_key`. */
export function numberKey(dim: number, value: bigint): Uint8Array {
  const key = new Uint8Array(16);
  const view = new DataView(key.buffer);
  view.setUint32(0, dim, true);
  view.setBigUint64(8, value, true);
  return key;
}

/** `struct policy_text_key`. */
export function textKey(secret: SipSecret, dim: number, text: Uint8Array): Uint8Array {
  const key = new Uint8Array(16);
  const view = new DataView(key.buffer);
  const [low, high] = sipHash(secret, text);
  view.setUint32(0, dim, true);
  view.setUint32(4, text.length, true);
  view.setUint32(8, low, true);
  view.setUint32(12, high, true);
  return key;
}

/** An LPM key with the first `bits` of `value`. */
export function lpmKey(size: number, dim: number, value: Uint8Array, bits: number): Uint8Array {
  const key = new Uint8Array(LPM_HEADER_SIZE + size);
  const view = new DataView(key.buffer);
  view.setUint32(0, DIM_BITS + bits, true);
  view.setUint32(4, dim, false);
  key.set(value, LPM_HEADER_SIZE);
  return key;
}

/** The key of a listed value; `digits` as in `selector_listings.ts`. */
export function listedKey(
  secret: SipSecret,
  test: number,
  dim: number,
  digits: string,
): Uint8Array {
  switch (test) {
    case TestNumber.TEXT:
      return textKey(secret, dim, bytesOfText(digits));
    case TestNumber.PREFIX:
      return textPrefixKey(PolicyLimit.PREFIX_SIZE_MAX, dim, digits);
    case TestNumber.POSTFIX:
      return textPrefixKey(PolicyLimit.POSTFIX_SIZE_MAX, dim, digits);
    case TestNumber.RANGE:
      return lpmKey(NUMBER_SIZE, dim, bytesOfBits(digits), digits.length);
    case TestNumber.NETWORK:
      return lpmKey(ADDRESS_SIZE, dim, bytesOfBits(digits), digits.length);
    default:
      return numberKey(dim, BigInt(digits));
  }
}

function textPrefixKey(size: number, dim: number, digits: string): Uint8Array {
  return lpmKey(size, dim, bytesOfText(digits), digits.length * 8);
}

function bytesOfBits(bits: string): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  for (let i = 0; i < bits.length; i++) {
    if (bits[i] === "1") bytes[i >> 3]! |= 0x80 >> (i & 7);
  }
  return bytes;
}
