/**
 * Sets of values that conditions list, and what two of them make together.
 *
 * @module
 */
import type { Network, NumberRange } from "../model.ts";

/** Texts of bytes: each character is one byte. */
export type ByteText = string;

/** Bits from the first on, "0" and "1": a prefix of a number. */
export type BitText = string;

const NUMBER_BITS = 64;
const ADDRESS_BITS = 128;
const CHUNK_SIZE = 4096;

/** One character per byte. */
export function byteText(bytes: Uint8Array): ByteText {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK_SIZE) {
    // Not spread: that goes through an iterator and takes several times as long.
    const chunk: ArrayLike<number> = bytes.subarray(at, at + CHUNK_SIZE);
    text += String.fromCharCode.apply(null, chunk as number[]);
  }
  return text;
}

/** The bytes of a text, at most `size` of them. */
export function bytesOfText(text: ByteText, size = text.length): Uint8Array {
  return Uint8Array.from({ length: Math.min(text.length, size) }, (_, i) => text.charCodeAt(i));
}

/** What is in all of them. */
export function intersectExact(sets: readonly ReadonlySet<string>[]): Set<string> {
  const [first = new Set<string>(), ...others] = sets;
  return new Set([...first].filter((value) => others.every((set) => set.has(value))));
}

/** Prefixes without those that begin with another one. */
export function shortestPrefixes(prefixes: Iterable<string>): string[] {
  const kept: string[] = [];
  for (const prefix of [...new Set(prefixes)].sort()) {
    const last = kept.at(-1);
    if (last === undefined || !prefix.startsWith(last)) kept.push(prefix);
  }
  return kept;
}

/** Prefixes of all texts that begin with one of each list. */
export function intersectPrefixes(lists: readonly (readonly string[])[]): string[] {
  let [found = [], ...others] = lists;
  for (const other of others) {
    found = found.flatMap((a) =>
      other.flatMap((b) => a.startsWith(b) ? [a] : b.startsWith(a) ? [b] : [])
    );
  }
  return shortestPrefixes(found);
}

/** Ranges in order, none touching the next. */
export function joinRanges(ranges: Iterable<NumberRange>): NumberRange[] {
  const joined: NumberRange[] = [];
  const valid = [...ranges].filter(({ first, last }) => first <= last);
  for (const range of valid.sort((a, b) => a.first < b.first ? -1 : a.first > b.first ? 1 : 0)) {
    const before = joined.at(-1);
    if (before === undefined || range.first > before.last + 1n) {
      joined.push(range);
    } else if (range.last > before.last) {
      joined[joined.length - 1] = { first: before.first, last: range.last };
    }
  }
  return joined;
}

/** What is in a range of each list; lists are joined. */
export function intersectRanges(lists: readonly (readonly NumberRange[])[]): NumberRange[] {
  let [found = [], ...others] = lists;
  for (const other of others) {
    found = found.flatMap((a) =>
      other.map((b) => ({
        first: a.first > b.first ? a.first : b.first,
        last: a.last < b.last ? a.last : b.last,
      }))
    );
    found = joinRanges(found);
  }
  return [...found];
}

/** What is in a range of `from` and in none of `without`. */
export function subtractRanges(
  from: readonly NumberRange[],
  without: readonly NumberRange[],
): NumberRange[] {
  let left = [...from];
  for (const hole of without) {
    left = left.flatMap((range) => [
      { first: range.first, last: range.last < hole.first ? range.last : hole.first - 1n },
      { first: range.first > hole.last ? range.first : hole.last + 1n, last: range.last },
    ]).filter(({ first, last }) => first <= last);
  }
  return joinRanges(left);
}

/** A network as the range of its addresses. */
export function rangeOfNetwork({ address, bits }: Network): NumberRange {
  let value = 0n;
  for (const byte of address) value = value << 8n | BigInt(byte);
  const free = BigInt(ADDRESS_BITS - bits);
  const first = value >> free << free;
  return { first, last: first | ((1n << free) - 1n) };
}

/** Ranges of u64 as the fewest prefixes. */
export function prefixesOfNumbers(ranges: readonly NumberRange[]): BitText[] {
  return ranges.flatMap((range) => prefixesOfRange(range, NUMBER_BITS));
}

/** Ranges of addresses as the fewest prefixes. */
export function prefixesOfAddresses(ranges: readonly NumberRange[]): BitText[] {
  return ranges.flatMap((range) => prefixesOfRange(range, ADDRESS_BITS));
}

/** At most two prefixes of each length. */
function prefixesOfRange({ first, last }: NumberRange, width: number): BitText[] {
  const prefixes: BitText[] = [];
  let at = first;
  while (at <= last) {
    let free = 0;
    while (free < width) {
      const size = 1n << BigInt(free + 1);
      if (at % size !== 0n || at + size - 1n > last) break;
      free++;
    }
    const bits = width - free;
    prefixes.push(bits === 0 ? "" : (at >> BigInt(free)).toString(2).padStart(bits, "0"));
    at += 1n << BigInt(free);
  }
  return prefixes;
}
