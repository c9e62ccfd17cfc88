/**
 * A policy from stdin.
 *
 * @module
 */
import { readSync } from "node:fs";

/** Stands for stdin where a file is named. */
export const STDIN = "-";
const STDIN_FD = 0;
/** More than a file may have, so that the reader of files tells that it is too big. */
const STDIN_SIZE_MAX = 2 * 1024 * 1024;

/** Up to a limit, so that a pipe without end does not fill the memory. */
export function readStdin(): Uint8Array {
  const bytes = new Uint8Array(STDIN_SIZE_MAX);
  let size = 0;
  while (size < bytes.length) {
    const count = readSync(STDIN_FD, bytes, size, bytes.length - size, null);
    if (count === 0) break;
    size += count;
  }
  return bytes.subarray(0, size);
}
