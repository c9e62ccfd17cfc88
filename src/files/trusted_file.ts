/**
 * Files and directories whose content the agent obeys: nobody but root, or the agent's own user,
 * may have written them.
 *
 * @module
 */

import { FileKindError, type OpenFile, openRegular } from "./open_regular.ts";
import { checkTrustedWay } from "./trusted_path.ts";
import { notFound, UntrustedError } from "./untrusted_error.ts";

/** A text, and what tells that the file is still the same. */
export interface TrustedText {
  readonly text: string;
  readonly signature: string;
}

const OTHERS_MAY_WRITE = 0o022;
const ROOT = 0;
const NOTHING = "/dev/null";

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
 * @throws {UntrustedError} it is a link, others may write it or its directory, too big or not text
 * @throws {Deno.errors.NotFound}
 */
export function readTrustedFile(
  path: string,
  { sizeMax, owners }: { readonly sizeMax: number; readonly owners: readonly number[] },
): TrustedText {
  if (Deno.lstatSync(path).isSymlink) {
    throw new UntrustedError(path, "it is a symbolic link", "put the file itself there");
  }
  using file = openTrusted(path);
  // Of the descriptor: what was opened is what is looked at.
  const info = Deno.statSync(`/proc/self/fd/${file.fd}`);
  checkTrusted(path, info, owners);
  checkTrustedWay(path, owners);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(file.read(sizeMax));
    return { text, signature: signatureOf(info) };
  } catch (cause) {
    if (cause instanceof FileKindError) throw untrusted(path, cause);
    throw new UntrustedError(path, "it is not UTF-8", "save it as UTF-8", cause);
  }
}

/**
 * Reads a file to which the way may have links: each directory, each link and the file itself
 * belong to an owner, and nobody else may write to them. `/dev/null` is an empty file.
 *
 * @throws {UntrustedError} somebody else may have written it, it is too big or not a file
 * @throws {Error} with the `code` of open(2)
 */
export function readTrustedBytes(
  path: string,
  { sizeMax, owners }: { readonly sizeMax: number; readonly owners: readonly number[] },
): Uint8Array {
  if (path === NOTHING) return new Uint8Array();
  const end = checkTrustedWay(path, owners);
  using file = openTrusted(end);
  checkTrusted(path, Deno.statSync(`/proc/self/fd/${file.fd}`), owners);
  try {
    return file.read(sizeMax);
  } catch (cause) {
    throw cause instanceof FileKindError ? untrusted(path, cause) : cause;
  }
}

function openTrusted(path: string): OpenFile {
  try {
    return openRegular(path, { followsLinks: false });
  } catch (cause) {
    if (cause instanceof FileKindError) throw untrusted(path, cause);
    const { code } = cause as { code?: string };
    if (code === "ENOENT") throw notFound(path);
    if (code !== "ELOOP") throw cause;
    throw new UntrustedError(path, "it is being replaced", "wait a moment", cause);
  }
}

function untrusted(path: string, cause: FileKindError): UntrustedError {
  return new UntrustedError(path, cause.state, cause.hint, cause);
}
