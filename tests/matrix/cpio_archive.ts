/**
 * Writes cpio archives in the form the kernel unpacks as its first root file system ("newc", see
 * Documentation/driver-api/early-userspace/buffer-format.rst).
 *
 * @module
 */

/** What an entry is, as the file type bits of its mode. */
const TYPE_BITS = { file: 0o100000, folder: 0o040000, link: 0o120000, device: 0o020000 } as const;

/** One entry of an archive. */
export interface CpioEntry {
  readonly type: keyof typeof TYPE_BITS;
  /** Absolute path in the guest. */
  readonly path: string;
  /** Permission bits, with setuid and the like. */
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Content of a file, target of a link. */
  readonly data?: Uint8Array;
  /** Major and minor number of a character device. */
  readonly device?: readonly [number, number];
}

/** Names and contents begin at multiples of this. */
const ALIGNMENT = 4;

/** Writes one archive into a file. The file belongs to the caller. */
export class CpioWriter {
  readonly #file: Deno.FsFile;
  #inode = 0;

  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /** Folders must come before what is in them. */
  async add(entry: CpioEntry): Promise<void> {
    const data = entry.data ?? new Uint8Array();
    const name = new TextEncoder().encode(entry.path.replace(/^\/+/, "") + "\0");
    this.#inode += 1;
    const [major, minor] = entry.device ?? [0, 0];
    const links = entry.type === "folder" ? 2 : 1;
    const fields = [
      ...[this.#inode, TYPE_BITS[entry.type] | entry.mode, entry.uid ?? 0, entry.gid ?? 0],
      ...[links, 0, data.length, 0, 0, major, minor, name.length, 0],
    ];
    const header = "070701" + fields.map((field) => field.toString(16).padStart(8, "0")).join("");
    await this.#write(new TextEncoder().encode(header));
    await this.#write(name);
    await this.#pad(header.length + name.length);
    await this.#write(data);
    await this.#pad(data.length);
  }

  /** Writes the last entry. Another archive may follow it in the same file. */
  async finish(): Promise<void> {
    await this.add({ type: "file", path: "TRAILER!!!", mode: 0 });
  }

  async #pad(written: number): Promise<void> {
    const size = (ALIGNMENT - (written % ALIGNMENT)) % ALIGNMENT;
    await this.#write(new Uint8Array(size));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length;) {
      offset += await this.#file.write(bytes.subarray(offset));
    }
  }
}
