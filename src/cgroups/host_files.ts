/**
 * The files of a host below a root that tests choose.
 *
 * @module
 */

/** A directory's identity and form. */
export interface DirectoryState {
  /** Inode number, in kernfs the cgroup id. */
  readonly inode: number;
  /** Links; in kernfs 2 and one per subdirectory. */
  readonly linkCount: number;
}

/** Reads of files that may be absent, closed to us or vanishing: all of that is `undefined`. */
export class HostFiles {
  readonly #root: string;

  /** @param root where "/" of the host is; without "/" at the end */
  constructor(root = "") {
    this.#root = root;
  }

  readText(path: string): string | undefined {
    return attempt(() => Deno.readTextFileSync(this.#root + path));
  }

  readBytes(path: string): Uint8Array<ArrayBuffer> | undefined {
    return attempt(() => Deno.readFileSync(this.#root + path));
  }

  readLink(path: string): string | undefined {
    return attempt(() => Deno.readLinkSync(this.#root + path));
  }

  exists(path: string): boolean {
    return attempt(() => Deno.lstatSync(this.#root + path)) !== undefined;
  }

  /** Undefined for what is no directory, too. */
  directory(path: string): DirectoryState | undefined {
    const info = attempt(() => Deno.lstatSync(this.#root + path));
    if (info?.isDirectory !== true || info.ino === null) return undefined;
    return { inode: info.ino, linkCount: info.nlink ?? 0 };
  }

  /** Names of subdirectories; empty when the directory has gone. */
  subdirectories(path: string): string[] {
    return this.#names(path, ({ isDirectory }) => isDirectory);
  }

  /** Names of symbolic links in a directory; empty when it has gone. */
  links(path: string): string[] {
    return this.#names(path, ({ isSymlink }) => isSymlink);
  }

  #names(path: string, isWanted: (entry: Deno.DirEntry) => boolean): string[] {
    return attempt(() => {
      const names: string[] = [];
      for (const entry of Deno.readDirSync(this.#root + path)) {
        if (isWanted(entry)) names.push(entry.name);
      }
      return names;
    }) ?? [];
  }
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
