/**
 * Strings that break careless code.
 *
 * @module
 */
import type { SeededRandom } from "./seeded_random.ts";

const NASTY_PARTS: readonly [string, ...string[]] = [
  "plain",
  " ",
  '"',
  "\\",
  "\n",
  "\x1b[31m",
  "\x7f",
  "\u009b31m",
  "\u202e",
  "\u2066",
  "\u061c",
  "\u200b",
  "\u2028",
  "\ufeff",
  "\ud800",
  "\udc00x",
  "\u3164",
  "é",
  "日本",
  "e\u0301",
  "😀",
  "\u{e0041}",
  "\u00a0",
  "=",
  ",",
];

/** A string of nasty parts and random UTF-16 units, lone surrogates among them. */
export function randomString(random: SeededRandom): string {
  let text = "";
  for (let parts = random.below(6); parts > 0; parts--) {
    text += random.chance(0.8)
      ? random.pick(NASTY_PARTS)
      : String.fromCharCode(random.below(0x1_0000));
  }
  return text;
}
