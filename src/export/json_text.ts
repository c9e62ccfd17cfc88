/**
 * JSON strings that are also safe to print: what a terminal would obey or hide is escaped, which
 * changes nothing for a JSON reader.
 *
 * @module
 */

/** What `JSON.stringify()` escapes (lone surrogates too), and what `HIDDEN` does. */
const SPECIAL = /["\\\p{Cc}\p{Cs}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u;

/** DEL, C1, bidi controls, zero-width characters and line separators: JSON lets them stand. */
const HIDDEN = /[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** The text as a JSON string with its quotes. */
export function jsonString(text: string): string {
  if (!SPECIAL.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(HIDDEN, escapeUnit);
}

/** The strings as a JSON array. */
export function jsonStrings(texts: readonly string[]): string {
  return `[${texts.map(jsonString).join(",")}]`;
}

/** Adds a member to an object that began as ["{"]; without text there is none. */
export function pushString(parts: string[], key: string, value: string | undefined): void {
  if (value !== undefined && value !== "") pushRaw(parts, key, jsonString(value));
}

/** The same for what is JSON already; it goes in as it is. */
export function pushRaw(parts: string[], key: string, json: string): void {
  parts.push(parts.length === 1 ? `"${key}":` : `,"${key}":`, json);
}

function escapeUnit(character: string): string {
  return "\\u" + character.charCodeAt(0).toString(16).padStart(4, "0");
}
