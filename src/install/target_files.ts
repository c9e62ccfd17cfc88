/**
 * The files an installation reads and changes, below a root that tests choose.
 *
 * @module
 */
import { dirname } from "node:path";
import { InstallError } from "./install_error.ts";

/** Bytes copied and compared at a time. */
const CHUNK_SIZE = 1024 * 1024;

/** Where bytes come from: text, or a file that is open to us by this path. */
export type Content = { readonly text: string } | { readonly path: string };

/** Reads and changes of files. Paths are absolute; the root stands before them. */
export class TargetFiles {
  readonly #root: string;

  /** @param root where "/" of the host is; without "/" at the end */
  constructor(root = "") {
    this.#root = root;
  }

  /** Undefined when there is no such file. @throws {InstallError} it cannot be read */
  readText(path: string): string | undefined {
    return look(path, () => Deno.readTextFileSync(this.#root + path));
  }

  exists(path: string): boolean {
    return look(path, () => Deno.lstatSync(this.#root + path)) !== undefined;
  }

  /** Whether the file has this content and mode; links and directories have not. */
  holds(path: string, content: Content, mode: number): boolean {
    const info = look(path, () => Deno.lstatSync(this.#root + path));
    if (info?.isFile !== true || ((info.mode ?? 0) & 0o7777) !== mode) return false;
    if ("text" in content) return this.readText(path) === content.text;
    return look(path, () => hasEqualBytes(this.#root + path, content.path)) === true;
  }

  makeDirectory(path: string): void {
    Deno.mkdirSync(this.#root + path, { recursive: true, mode: 0o755 });
  }

  /** Puts a file in place whole or not at all; who has the one before open keeps that. */
  write(path: string, content: Content, mode: number): void {
    const place = this.#root + path;
    const work = `${dirname(place)}/.shrike-${crypto.randomUUID()}`;
    try {
      using file = Deno.openSync(work, { write: true, createNew: true, mode });
      if ("text" in content) writeAll(file, new TextEncoder().encode(content.text));
      else copyAll(file, content.path);
      // The umask may have taken bits away.
      Deno.chmodSync(work, mode);
      file.syncSync();
      Deno.renameSync(work, place);
    } catch (error) {
      try {
        Deno.removeSync(work);
      } catch {
        // It was not made, or it has its place already.
      }
      throw error;
    }
  }

  /** Removes a file or an empty directory; nothing when it is not there. */
  remove(path: string): void {
    unlessMissing(() => Deno.removeSync(this.#root + path));
  }

  /** Removes a directory with all below it; nothing when it is not there. */
  removeTree(path: string): void {
    unlessMissing(() => Deno.removeSync(this.#root + path, { recursive: true }));
  }

  /** Whether it is a directory without entries but those of `apart`. */
  isEmptyDirectory(path: string, apart: readonly string[] = []): boolean {
    const entries = look(path, () => [...Deno.readDirSync(this.#root + path)]);
    return entries?.every(({ name }) => apart.includes(`${path}/${name}`)) === true;
  }
}

/** A look at what is there, for the plan. */
function look<T>(path: string, read: () => T): T | undefined {
  try {
    return unlessMissing(read);
  } catch (cause) {
    const state = cause instanceof Error ? cause.message.split("\n")[0]! : String(cause);
    throw new InstallError(`look at "${path}"`, state, "run as root (sudo)", cause);
  }
}

function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

function hasEqualBytes(a: string, b: string): boolean {
  using first = Deno.openSync(a);
  using second = Deno.openSync(b);
  if (first.statSync().size !== second.statSync().size) return false;
  const [left, right] = [new Uint8Array(CHUNK_SIZE), new Uint8Array(CHUNK_SIZE)];
  for (;;) {
    const size = fill(first, left);
    if (size !== fill(second, right)) return false;
    if (size === 0) return true;
    for (let i = 0; i < size; i++) if (left[i] !== right[i]) return false;
  }
}

function fill(file: Deno.FsFile, buffer: Uint8Array): number {
  let at = 0;
  while (at < buffer.length) {
    const count = file.readSync(buffer.subarray(at));
    if (count === null) break;
    at += count;
  }
  return at;
}

function copyAll(target: Deno.FsFile, path: string): void {
  using source = Deno.openSync(path);
  const buffer = new Uint8Array(CHUNK_SIZE);
  for (let size = fill(source, buffer); size > 0; size = fill(source, buffer)) {
    writeAll(target, buffer.subarray(0, size));
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}
