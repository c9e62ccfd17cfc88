/**
 * Byte strings of records as text.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Text } from "../events/mod.ts";

const NUL = "\0";
const SLASH = 0x2f;
/** What a decoder puts for bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";
const EMPTY: Text = { text: "" };

/**
 * Reads text out of record memory, which may be shared with other threads. Nothing it returns
 * refers to that memory.
 *
 * It decodes with Node's `Buffer`, straight from where the bytes are: 40 ns for a short string. A
 * copy out of shared memory and a `TextDecoder` take 240 ns and more; joining
 * `String.fromCharCode()` is faster up to 10 bytes and 20 times slower from 1 KiB on (measured
 * with Deno 2.9.6).
 */
export class TextReader {
  #bytes: Uint8Array | undefined;
  #buffer: Buffer = Buffer.alloc(0);

  /** Bytes [start, end) as one string. */
  text(bytes: Uint8Array, start: number, end: number): Text {
    if (start >= end) return EMPTY;
    const text = this.#decode(bytes, start, end);
    return text.includes(REPLACEMENT) ? withRaw(text, bytes.slice(start, end)) : { text };
  }

  /** Strings that each end with NUL; the last may lack it when it was cut. */
  list(bytes: Uint8Array, start: number, end: number): Text[] {
    if (start >= end) return [];
    const last = bytes[end - 1] === 0 ? end - 1 : end;
    const all = this.#decode(bytes, start, last);
    if (all.includes(REPLACEMENT)) return this.#listRaw(bytes, start, last);
    return all.split(NUL).map((text) => ({ text }));
  }

  /**
   * A path given as names, leaf first, each with a NUL: `c NUL b NUL a NUL` is `/a/b/c`, nothing is
   * `/`. With `cut` the names nearest to the root are missing, so it begins without a slash.
   */
  path(bytes: Uint8Array, start: number, end: number, cut: boolean): Text {
    const names = this.list(bytes, start, end).reverse();
    const text = (cut ? "" : "/") + names.map((name) => name.text).join("/");
    if (!names.some((name) => name.raw !== undefined)) return { text };
    const parts: Uint8Array[] = names.map((name) => name.raw ?? Buffer.from(name.text));
    const raw = new Uint8Array(parts.reduce((size, part) => size + part.length + 1, cut ? -1 : 0));
    raw.fill(SLASH);
    let at = cut ? 0 : 1;
    for (const part of parts) {
      raw.set(part, at);
      at += part.length + 1;
    }
    return { text, raw };
  }

  /** The same as `list()`, string by string, because some are not UTF-8. */
  #listRaw(bytes: Uint8Array, start: number, end: number): Text[] {
    const texts: Text[] = [];
    let at = start;
    for (let i = start; i <= end; i++) {
      if (i < end && bytes[i] !== 0) continue;
      texts.push(this.text(bytes, at, i));
      at = i + 1;
    }
    return texts;
  }

  #decode(bytes: Uint8Array, start: number, end: number): string {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    return this.#buffer.toString("utf8", start, end);
  }
}

/** U+FFFD in the text may also be what the bytes say. */
function withRaw(text: string, raw: Uint8Array): Text {
  return Buffer.from(text).equals(raw) ? { text } : { text, raw };
}
