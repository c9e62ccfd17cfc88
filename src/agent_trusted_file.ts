/**
 * Files and directories whose content the agent obeys: nobody but root, or the agent's own user,
 * may have written them.
 *
 * @module
 */

/** A file or directory is not what it must be. */
export class UntrustedError extends Error {
  override readonly name = "UntrustedError";

  constructor(
    path: string,
    readonly state: string,
    readonly hint: string,
    cause?: unknown,
  ) {
    super(`Cannot use "${path}": ${state}`, { cause });
  }
}

/** A text, and what tells that the file is still the same. */
export interface TrustedText {
  readonly text: string;
  readonly signature: string;
}

const OTHERS_MAY_WRITE = 0o022;
const ROOT = 0;

/** Uids whose files are obeyed. */
export function trustedOwners(): readonly number[] {
  return [ROOT, Deno.uid() ?? ROOT];
}

/** Times of files go by the kernel's tick, 10 ms at most: two changes in one have the same. */
const TICK_MS = 10;

/**
 * Changes with each change of the file, and when another takes its place; "" when it was changed so
 * shortly before that another change may not show.
 */
export function signatureOf({ dev, ino, size, uid, mode, mtime, ctime }: Deno.FileInfo): string {
  const changedMs = ctime?.getTime() ?? 0;
  if (Math.abs(Date.now() - changedMs) <= 2 * TICK_MS) return "";
  return [dev, ino, size, uid, mode, mtime?.getTime(), changedMs].join(":");
}

/** @throws {UntrustedError} */
export function checkTrusted(
  path: string,
  info: Deno.FileInfo,
  owners: readonly number[],
): void {
  const { uid, mode } = info;
  if (uid !== null && !owners.includes(uid)) {
    throw new UntrustedError(path, `it belongs to uid ${uid}`, `chown root "${path}"`);
  }
  if (((mode ?? 0) & OTHERS_MAY_WRITE) !== 0) {
    throw new UntrustedError(path, "others may write to it", `chmod go-w "${path}"`);
  }
}

/**
 * Reads a file.
 *
 * @throws {UntrustedError} it is a link, somebody else's, too big or no text
 * @throws {Deno.errors.NotFound}
 */
export function readTrustedFile(
  path: string,
  { sizeMax, owners }: { readonly sizeMax: number; readonly owners: readonly number[] },
): TrustedText {
  const before = Deno.lstatSync(path);
  if (before.isSymlink) {
    throw new UntrustedError(path, "it is a symbolic link", "put the file itself there");
  }
  if (!before.isFile) throw new UntrustedError(path, "it is no file", "put a file there");
  using file = Deno.openSync(path);
  const info = file.statSync();
  // What was opened is what was looked at: no link has taken its place in between.
  if (info.dev !== before.dev || info.ino !== before.ino) {
    throw new UntrustedError(path, "it is being replaced", "wait a moment");
  }
  checkTrusted(path, info, owners);
  if (info.size > sizeMax) {
    const state = `it has ${info.size} bytes, ${sizeMax} are allowed`;
    throw new UntrustedError(path, state, "split it");
  }
  const bytes = readUpTo(file, sizeMax);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { text, signature: signatureOf(info) };
  } catch (cause) {
    throw new UntrustedError(path, "it is not UTF-8", "save it as UTF-8", cause);
  }
}

/** It may grow while it is read. */
function readUpTo(file: Deno.FsFile, sizeMax: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size < sizeMax) {
    const chunk = new Uint8Array(Math.min(64 * 1024, sizeMax - size));
    const count = file.readSync(chunk);
    if (count === null) break;
    chunks.push(chunk.subarray(0, count));
    size += count;
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
