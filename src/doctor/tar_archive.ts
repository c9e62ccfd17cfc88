/**
 * A tar archive of small files, in the ustar form of POSIX.1-1988 that every tar reads.
 *
 * @module
 */

/** A file of the archive. */
export interface ArchiveFile {
  /** Relative path of ASCII letters, at most 100 bytes. */
  readonly name: string;
  readonly text: string;
}

const BLOCK_SIZE = 512;
const NAME_SIZE_MAX = 100;
/** 11 octal digits. */
const FILE_SIZE_MAX = 8 ** 11 - 1;

/** The archive; files belong to root and are readable by their owner only. */
export function encodeTar(files: readonly ArchiveFile[], modifiedMs: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { name, text } of files) {
    const bytes = new TextEncoder().encode(text);
    parts.push(encodeHeader(name, bytes.length, modifiedMs), bytes);
    parts.push(new Uint8Array(-bytes.length & (BLOCK_SIZE - 1)));
  }
  // Two empty blocks end it.
  parts.push(new Uint8Array(2 * BLOCK_SIZE));
  const archive = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    archive.set(part, at);
    at += part.length;
  }
  return archive;
}

/** @throws {RangeError} name or size do not fit. */
function encodeHeader(name: string, size: number, modifiedMs: number): Uint8Array {
  if (!/^[\w./-]+$/.test(name) || name.length > NAME_SIZE_MAX || size > FILE_SIZE_MAX) {
    throw new RangeError(`Cannot archive "${name}": its name or its ${size} bytes do not fit`);
  }
  const header = new Uint8Array(BLOCK_SIZE);
  const put = (offset: number, text: string) => header.set(new TextEncoder().encode(text), offset);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  put(0, name);
  put(100, octal(0o600, 7)); // mode
  put(108, octal(0, 7)); // uid
  put(116, octal(0, 7)); // gid
  put(124, octal(size, 11));
  put(136, octal(Math.floor(modifiedMs / 1000), 11));
  put(148, " ".repeat(8)); // checksum, counted as blanks
  put(156, "0"); // an ordinary file
  put(257, "ustar\x0000");
  const sum = header.reduce((sum, byte) => sum + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return header;
}
