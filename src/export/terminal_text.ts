/**
 * The one way from process-controlled bytes to a terminal. What a terminal would obey, reorder or
 * hide is shown as an escape, and a backslash as two, so that nothing can pass for an escape:
 *
 * - `\n`, `\r`, `\t`, else `\xNN`: C0 and DEL; also each byte that is not part of valid UTF-8
 * - `\u{H}`: C1, bidi and zero-width controls, line separators, spaces other than the space,
 *   private and unassigned characters, lone surrogates
 *
 * A byte 0x80..0xff as `\xNN` is always an invalid byte; the character of that number is `\u{NN}`.
 *
 * @module
 */
import type { Text } from "../events/mod.ts";

/** Printable ASCII without the backslash: by far the most texts. */
const PLAIN = /^[ -[\]-~]*$/;

/**
 * \p{C}: controls, formats (bidi, zero-width), surrogates, private use, unassigned. \p{Z}: spaces
 * and separators. \p{DI}: characters shown as nothing, such as Hangul fillers and variation
 * selectors.
 */
const UNSAFE = /[\\\p{C}\p{DI}]|(?! )\p{Z}/gu;

/** A mark at the start would change the character before it, which is ours. */
const LEADING_MARK = /^\p{M}/u;

/** The text for a terminal; invalid bytes appear as they are in memory, not as U+FFFD. */
export function terminalText(text: Text): string {
  return text.raw === undefined ? terminalString(text.text) : terminalBytes(text.raw);
}

/** As `terminalText()` for a string without raw bytes. */
export function terminalString(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(UNSAFE, escapeCharacter).replace(LEADING_MARK, escapeCharacter);
}

/**
 * argv[1..] as people type it: separated by spaces, in double quotes when empty or with a space or
 * quote in it, `\"` inside those.
 */
export function terminalArguments(argv: readonly Text[]): string {
  let shown = "";
  for (let index = 1; index < argv.length; index++) {
    const argument = argv[index];
    if (argument === undefined) break;
    const text = terminalText(argument);
    const quoted = text === "" || /[ "']/.test(text) ? `"${text.replaceAll('"', '\\"')}"` : text;
    shown += index === 1 ? quoted : ` ${quoted}`;
  }
  return shown;
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  switch (code) {
    case 0x0a:
      return "\\n";
    case 0x0d:
      return "\\r";
    case 0x09:
      return "\\t";
    case 0x5c:
      return "\\\\";
    default:
      return code < 0x80 ? escapeByte(code) : `\\u{${code.toString(16)}}`;
  }
}

function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

/** Valid stretches go through `terminalString()`, every other byte becomes `\xNN`. */
function terminalBytes(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let shown = "";
  let validFrom = 0;
  let at = 0;
  while (at < bytes.length) {
    const size = sequenceSize(bytes, at);
    if (size > 0) {
      at += size;
      continue;
    }
    shown += terminalString(decoder.decode(bytes.subarray(validFrom, at)));
    shown += escapeByte(bytes[at] ?? 0);
    at++;
    validFrom = at;
  }
  return shown + terminalString(decoder.decode(bytes.subarray(validFrom)));
}

/** Bytes of the UTF-8 sequence at `at` by RFC 3629 section 4; 0 when there is no valid one. */
function sequenceSize(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  const second = bytes[at + 1] ?? 0;
  if (first >= 0xc2 && first <= 0xdf) return isTail(second) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const low = first === 0xe0 ? 0xa0 : 0x80;
    const high = first === 0xed ? 0x9f : 0xbf;
    return second >= low && second <= high && isTail(bytes[at + 2] ?? 0) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const low = first === 0xf0 ? 0x90 : 0x80;
    const high = first === 0xf4 ? 0x8f : 0xbf;
    const inRange = second >= low && second <= high;
    return inRange && isTail(bytes[at + 2] ?? 0) && isTail(bytes[at + 3] ?? 0) ? 4 : 0;
  }
  return 0;
}

function isTail(byte: number): boolean {
  return byte >= 0x80 && byte <= 0xbf;
}
