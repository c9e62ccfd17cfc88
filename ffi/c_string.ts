/**
 * Text to and from C.
 *
 * @module
 */

/**
 * The bytes with a NUL behind them. Path bytes that are not UTF-8 are given as bytes.
 *
 * @throws {TypeError} the text holds a NUL, which C would take for its end.
 */
export function encodeCString(text: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  if (bytes.includes(0)) throw new TypeError("Cannot pass text to C: it holds a NUL byte");
  const string = new Uint8Array(bytes.length + 1);
  string.set(bytes);
  return string;
}

/** The text in front of the first NUL of `bytes`, or all of it; wrong UTF-8 becomes U+FFFD. */
export function decodeCString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** The text at a `const char *`, empty for NULL. */
export function readCString(pointer: Deno.PointerValue): string {
  return pointer === null ? "" : Deno.UnsafePointerView.getCString(pointer);
}
