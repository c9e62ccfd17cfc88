/**
 * Bytes from the kernel that people read as text: paths, arguments, environment.
 *
 * @module
 */

/**
 * A byte string. Linux allows any byte but NUL (and `/` inside a name), so text may be invalid
 * UTF-8: then `text` has U+FFFD for each invalid sequence and `raw` keeps the exact bytes.
 */
export interface Text {
  readonly text: string;
  /** The bytes; only there when `text` cannot give them back. */
  readonly raw?: Uint8Array;
}
