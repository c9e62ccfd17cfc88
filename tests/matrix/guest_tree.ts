/**
 * The file tree of a guest, put together from files of this machine.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { runTool } from "../../scripts/build/run_tool.ts";
import { type CpioEntry, CpioWriter } from "./cpio_archive.ts";

/** An entry whose content is still on this machine. */
type TreeEntry = CpioEntry & { readonly hostPath?: string };

/** What a copied folder leaves out: paths relative to it. */
export type SkipRule = (relativePath: string) => boolean;

/** Folders that are links below /usr on today's distributions. */
const MERGED_FOLDERS = /^\/(?=(?:bin|sbin|lib|lib64)(?:\/|$))/;

/** Collects files; reads their contents when it is written. */
export class GuestTree {
  readonly #entries = new Map<string, TreeEntry>();
  readonly #mergedUsr: boolean;

  /**
   * @param options `mergedUsr`: the tree is unpacked over one where /bin, /lib and the like are
   * links to /usr; they would become folders
   */
  constructor({ mergedUsr = false }: { readonly mergedUsr?: boolean } = {}) {
    this.#mergedUsr = mergedUsr;
  }

  /** A folder and those above it. */
  addFolder(path: string, mode = 0o755): void {
    path = this.#place(path);
    if (path === "/" || this.#entries.has(path)) return;
    this.addFolder(dirname(path));
    this.#entries.set(path, { type: "folder", path, mode });
  }

  addText(path: string, text: string, mode = 0o644): void {
    this.#add({ type: "file", path, mode, data: new TextEncoder().encode(text) });
  }

  addLink(path: string, target: string): void {
    this.#add({ type: "link", path, mode: 0o777, data: new TextEncoder().encode(target) });
  }

  addDevice(path: string, mode: number, device: readonly [number, number]): void {
    this.#add({ type: "device", path, mode, device });
  }

  /** A file of this machine; symbolic links are followed. */
  addFile(path: string, hostPath: string, mode = 0o644): void {
    this.#add({ type: "file", path, mode, hostPath });
  }

  /** A program with the shared libraries it is linked to, each at the path it has here. */
  async addProgram(path: string, hostPath: string): Promise<void> {
    this.addFile(path, hostPath, 0o755);
    await this.addLibraries(hostPath);
  }

  /** The shared libraries that a program of this machine is linked to, without the program. */
  async addLibraries(hostPath: string): Promise<void> {
    for (const library of await listLibraries(hostPath)) this.addFile(library, library, 0o755);
  }

  /** A folder of this machine with all that is in it. Symbolic links stay links. */
  addTree(path: string, hostPath: string, skip: SkipRule = () => false): void {
    this.#addTree(path, hostPath, "", skip);
  }

  /** Writes an archive for the kernel, behind what the file holds already. */
  async writeTo(file: Deno.FsFile): Promise<void> {
    const writer = new CpioWriter(file);
    for (const entry of this.#entries.values()) {
      const { hostPath } = entry;
      await writer.add(hostPath ? { ...entry, data: await Deno.readFile(hostPath) } : entry);
    }
    await writer.finish();
  }

  /** Writes an archive into a new file. */
  async writeToPath(path: string): Promise<void> {
    using file = await Deno.open(path, { write: true, create: true, truncate: true });
    await this.writeTo(file);
  }

  #add(entry: TreeEntry): void {
    const path = this.#place(entry.path);
    this.addFolder(dirname(path));
    this.#entries.set(path, { ...entry, path });
  }

  #place(path: string): string {
    return this.#mergedUsr ? path.replace(MERGED_FOLDERS, "/usr/") : path;
  }

  #addTree(root: string, hostRoot: string, relative: string, skip: SkipRule): void {
    const hostPath = join(hostRoot, relative);
    const path = join(root, relative);
    const info = Deno.lstatSync(hostPath);
    const mode = (info.mode ?? 0o644) & 0o7777;
    const owner = { uid: info.uid ?? 0, gid: info.gid ?? 0 };
    if (info.isSymlink) {
      this.addLink(path, Deno.readLinkSync(hostPath));
    } else if (info.isFile) {
      this.#add({ type: "file", path, mode, hostPath, ...owner });
    } else if (info.isDirectory) {
      this.addFolder(dirname(path));
      if (path !== "/") this.#entries.set(path, { type: "folder", path, mode, ...owner });
      for (const entry of Deno.readDirSync(hostPath)) {
        const below = relative === "" ? entry.name : `${relative}/${entry.name}`;
        if (!skip(below)) this.#addTree(root, hostRoot, below, skip);
      }
    }
    // Sockets, pipes and devices of a tree are made anew by whoever needs them.
  }
}

/** Adds busybox with its commands in /bin, and what must exist before /init runs. */
export async function addBusybox(tree: GuestTree): Promise<void> {
  for (const path of ["/proc", "/sys", "/dev", "/run", "/etc", "/root", "/usr", "/var"]) {
    tree.addFolder(path);
  }
  tree.addFolder("/tmp", 0o1777);
  // The kernel opens it for /init, before devtmpfs can be mounted.
  tree.addDevice("/dev/console", 0o600, [5, 1]);
  await tree.addProgram("/bin/busybox", await findProgram("busybox"));
  const commands = await runTool("busybox", ["--list"]);
  for (const command of commands.split("\n").filter((name) => name !== "" && name !== "busybox")) {
    tree.addLink(`/bin/${command}`, "busybox");
  }
}

/** Path of a program that must be on PATH. */
export async function findProgram(name: string): Promise<string> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = join(folder, name);
    const info = await Deno.stat(path).catch(() => null);
    if (info?.isFile) return path;
  }
  throw new Error(`Cannot find program "${name}": it is not on PATH`);
}

/** Libraries of a program as the dynamic loader finds them, the loader itself included. */
async function listLibraries(program: string): Promise<string[]> {
  // Fails for a static program, which needs none.
  const output = await runTool("ldd", [program]).catch(() => "");
  const libraries: string[] = [];
  for (const line of output.split("\n")) {
    const path = /(?:=>\s+|^\s*)(\/\S+)\s+\(0x/.exec(line)?.[1];
    if (path !== undefined && basename(path) !== "") libraries.push(path);
  }
  return libraries;
}
