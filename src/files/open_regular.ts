/**
 * Files that are opened by path: opening and reading them ends, whatever stands there.
 *
 * @module
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";

/** Something other than a regular file, or a larger one, stands at a path. */
export class FileKindError extends Error {
  override readonly name = "FileKindError";

  constructor(readonly path: string, readonly state: string, readonly hint: string) {
    super(`Cannot use "${path}": ${state}`);
  }
}

/** What was read, and of which file. */
export interface ReadFile {
  readonly bytes: Uint8Array;
  /** Of the descriptor that was read, not of what stands at the path now. */
  readonly stats: Stats;
}

const CHUNK_SIZE = 64 * 1024;

/**
 * Opens for reading what turns out to be a regular file. A FIFO does not make it wait for a writer,
 * a device is not read.
 *
 * @throws {FileKindError} it is of another kind
 * @throws {Error} with the `code` of open(2)
 */
export function openRegular(
  path: string,
  { followsLinks = true }: { readonly followsLinks?: boolean } = {},
): OpenFile {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY, O_NOFOLLOW } = constants;
  const flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | (followsLinks ? 0 : O_NOFOLLOW);
  return OpenFile.of(path, openSync(path, flags));
}

/**
 * Opens for locking a file that is made when it is missing; a link is not followed.
 *
 * @throws {FileKindError} it is of another kind
 * @throws {Error} with the `code` of open(2): ENXIO for a FIFO, ELOOP for a link
 */
export function openForLock(path: string, mode: number): Deno.FsFile {
  const { O_WRONLY, O_CREAT, O_NONBLOCK, O_NOCTTY, O_NOFOLLOW } = constants;
  let fd: number;
  try {
    fd = openSync(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, mode);
  } catch (error) {
    const { code } = error as { code?: string };
    // Nobody reads a FIFO, a link that is not followed, a directory.
    if (code !== "ENXIO" && code !== "ELOOP" && code !== "EISDIR") throw error;
    throw notRegular(path);
  }
  using file = OpenFile.of(path, fd);
  // The runtime locks only what it has opened: the same inode, known to be regular, once more.
  return Deno.openSync(`/proc/self/fd/${file.fd}`, { write: true });
}

/**
 * Reads a regular file of at most `sizeMax` bytes.
 *
 * @throws {FileKindError} it is of another kind, or larger
 * @throws {Error} with the `code` of open(2)
 */
export function readRegular(
  path: string,
  sizeMax: number,
  options: { readonly followsLinks?: boolean } = {},
): ReadFile {
  using file = openRegular(path, options);
  return { bytes: file.read(sizeMax), stats: file.stats };
}

/** A regular file that is open, and what it was when it was opened. */
export class OpenFile implements Disposable {
  readonly fd: number;
  readonly stats: Stats;
  readonly #path: string;
  #isOpen = true;

  private constructor(path: string, fd: number, stats: Stats) {
    this.#path = path;
    this.fd = fd;
    this.stats = stats;
  }

  /** Takes the descriptor; it is closed also when this throws. */
  static of(path: string, fd: number): OpenFile {
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) throw notRegular(path);
      return new OpenFile(path, fd, stats);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** All of it; it may grow while it is read. @throws {FileKindError} it is larger */
  read(sizeMax: number): Uint8Array {
    const tooLarge = (size: number) =>
      new FileKindError(this.#path, `it has ${size} bytes, ${sizeMax} are allowed`, "split it");
    if (this.stats.size > sizeMax) throw tooLarge(this.stats.size);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const chunk = new Uint8Array(CHUNK_SIZE);
      const count = readSync(this.fd, chunk, 0, chunk.length, null);
      if (count === 0) return joined(chunks, size);
      size += count;
      if (size > sizeMax) throw tooLarge(size);
      chunks.push(chunk.subarray(0, count));
    }
  }

  [Symbol.dispose](): void {
    if (this.#isOpen) closeSync(this.fd);
    this.#isOpen = false;
  }
}

function notRegular(path: string): FileKindError {
  return new FileKindError(path, "it is not a regular file", "put a file there");
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
