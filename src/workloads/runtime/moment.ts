/**
 * Moments as runtimes write them.
 *
 * @module
 */

/**
 * ns since the epoch of an RFC 3339 text; undefined for what is none, and for Go's zero time, which
 * stands for "not yet".
 */
export function parseMoment(text: unknown): bigint | undefined {
  if (typeof text !== "string") return undefined;
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (parts === null) return undefined;
  const [, seconds, fraction = "", zone] = parts;
  const ms = Date.parse(`${seconds}${zone}`);
  if (!Number.isFinite(ms)) return undefined;
  return positive(BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, "0")));
}

/** The moment, or undefined when it is not after the epoch. */
export function positive(ns: bigint): bigint | undefined {
  return ns > 0n ? ns : undefined;
}
