/**
 * Reads the processes that already run from /proc.
 *
 * A process may end, exec or be replaced while it is read. Gone means left out; what cannot be read
 * (no right, hidepid) stays empty. Each process is read so that its command line comes last but one
 * and its start time last: see `resolveStartup()` for why.
 *
 * @module
 */
import type { CgroupPlace, Executable, Namespaces, ProcessFound, Text } from "../events/mod.ts";
import type { Clock } from "../telemetry/mod.ts";
import { NS_PER_TICK } from "./cache_entry.ts";
import {
  hasEnded,
  parseNamespaceLink,
  parseNumber,
  parseStat,
  parseStatus,
  parseStrings,
  type ProcStatus,
} from "./proc_text.ts";
import { NO_TEXT, textFromBytes } from "./text.ts";

/** What a scan needs. */
export interface ScanOptions {
  readonly clock: Pick<Clock, "monotonicNs">;
  /** Where procfs is mounted. Default `/proc`. */
  readonly procPath?: string;
  /**
   * Reads a symbolic link as bytes; throws when it cannot. The default cannot give links that are
   * not UTF-8 (Deno 2.9.6 refuses them), which then stay empty; libc's readlink() can.
   */
  readonly readLink?: (path: string) => Uint8Array;
  /** How far start times in /proc are ahead of the host's here (time namespaces). Default 0. */
  readonly startOffsetNs?: bigint;
  /** Whether to read environments. Default false. */
  readonly environment?: boolean;
  /**
   * Where a process is that has this text in /proc/PID/cgroup; without it all places are unknown.
   */
  readonly placeOf?: (text: string) => CgroupPlace;
}

/** The same limits as the process sensor has for live records, bytes. */
const ARGUMENTS_SIZE_MAX = 32_768;
const ENVIRONMENT_SIZE_MAX = 16_384;
/** PROC_USER_INIT_INO of include/linux/proc_ns.h: the initial user namespace. */
const INITIAL_USER_NS = 0xeffffffd;
const UNKNOWN_ID = 4294967295;
const DELETED = " (deleted)";

/** All user-space thread groups; kernel threads and zombies are left out. Order as /proc has it. */
export function scanProcesses(options: ScanOptions): ProcessFound[] {
  return new ProcReader(options).scan();
}

/** Reads processes of /proc one by one, after the start. */
export interface ProcessReader {
  /** Thread groups there are now, kernel threads among them. */
  list(): number[];
  /** Start of one in clock ticks; undefined when it is gone or a kernel thread. */
  startTicks(tgid: number): bigint | undefined;
  /** All of one; undefined when it is gone, changed hands meanwhile, or is a kernel thread. */
  read(tgid: number): ProcessFound | undefined;
  /** The file that one runs; undefined when it is gone or hidden. */
  readExecutable(tgid: number): Executable | undefined;
}

const NO_PLACE: CgroupPlace = { id: 0n, trackingId: 0n, level: 0, hierarchy: 0 };

/** A reader with the memory it reads into. */
export class ProcReader implements ProcessReader {
  readonly #options: ScanOptions;
  readonly #procPath: string;
  readonly #readLink: (path: string) => Uint8Array;
  readonly #buffer = new Uint8Array(ARGUMENTS_SIZE_MAX + 1);
  readonly #kernelThreads = new Set<number>();
  readonly #startOffsetTicks: bigint;
  readonly #decoder = new TextDecoder();

  constructor(options: ScanOptions) {
    this.#options = options;
    this.#procPath = options.procPath ?? "/proc";
    this.#readLink = options.readLink ?? readLinkAsUtf8;
    this.#startOffsetTicks = (options.startOffsetNs ?? 0n) / NS_PER_TICK;
  }

  list(): number[] {
    const tgids: number[] = [];
    for (const { name } of Deno.readDirSync(this.#procPath)) {
      if (/^[1-9]\d*$/.test(name)) tgids.push(Number(name));
    }
    return tgids;
  }

  startTicks(tgid: number): bigint | undefined {
    const stat = parseStat(this.#read(`${this.#procPath}/${tgid}/stat`));
    return stat === undefined || stat.isKernelThread || hasEnded(stat)
      ? undefined
      : stat.startTicks - this.#startOffsetTicks;
  }

  read(tgid: number): ProcessFound | undefined {
    const found = this.#readProcess(tgid);
    if (found === undefined || found.parentIsKernel) return found;
    const parent = parseStat(this.#read(`${this.#procPath}/${found.parentTgid}/stat`));
    return { ...found, parentIsKernel: parent?.isKernelThread === true };
  }

  readExecutable(tgid: number): Executable | undefined {
    const folder = `${this.#procPath}/${tgid}`;
    return this.#readExecutable(folder, this.#rootOf(folder));
  }

  /** All of them, as at a start. */
  scan(): ProcessFound[] {
    const found = new Map<number, ProcessFound>();
    for (const tgid of this.list()) {
      const process = this.#readProcess(tgid);
      if (process !== undefined) found.set(process.tgid, process);
    }
    // A parent may have ended meanwhile; the kernel has given such children to another one since.
    for (const { tgid, parentTgid, parentIsKernel } of found.values()) {
      if (parentIsKernel || found.has(parentTgid)) continue;
      const again = this.#readProcess(tgid);
      if (again === undefined) found.delete(tgid);
      else found.set(tgid, again);
    }
    return [...found.values()].map((process) => ({
      ...process,
      parentIsKernel: process.parentIsKernel || this.#kernelThreads.has(process.parentTgid),
    }));
  }

  #readProcess(tgid: number): ProcessFound | undefined {
    const readFromNs = this.#options.clock.monotonicNs();
    const folder = `${this.#procPath}/${tgid}`;
    const before = parseStat(this.#read(`${folder}/stat`));
    if (before === undefined) return undefined;
    if (before.isKernelThread) {
      this.#kernelThreads.add(tgid);
      return undefined;
    }
    if (hasEnded(before)) return undefined;
    const status = parseStatus(this.#read(`${folder}/status`));
    if (status === undefined || status.tgid !== tgid) return undefined;
    // A leader that ended before its threads has no memory, files or namespaces; they still do.
    const alive = before.state === "Z" ? this.#livingThread(folder, tgid) : folder;
    const namespaces = this.#readNamespaces(alive);
    const credentials = this.#readCredentials(folder, status, namespaces);
    const environment = this.#options.environment
      ? parseStrings(this.#read(`${alive}/environ`, ENVIRONMENT_SIZE_MAX))
      : undefined;
    const root = this.#rootOf(alive);
    const cwd = this.#link(`${alive}/cwd`);
    const exe = this.#readExecutable(alive, root);
    const cgroup = this.#readCgroup(folder);
    const commandLine = this.#read(`${alive}/cmdline`, ARGUMENTS_SIZE_MAX + 1);
    const argumentsCut = commandLine.length > ARGUMENTS_SIZE_MAX;
    const argv = parseStrings(commandLine.subarray(0, ARGUMENTS_SIZE_MAX));
    const after = parseStat(this.#read(`${folder}/stat`));
    if (after === undefined || after.startTicks !== before.startTicks) return undefined;
    return {
      type: "process_found",
      tgid,
      namespaceTgid: status.namespaceTgid,
      pidNsLevel: status.pidNsLevel,
      startTicks: after.startTicks - this.#startOffsetTicks,
      readFromNs,
      readToNs: this.#options.clock.monotonicNs(),
      parentTgid: after.parentTgid,
      parentIsKernel: after.parentTgid === 0 || this.#kernelThreads.has(after.parentTgid),
      credentials,
      namespaces,
      ...(exe !== undefined && { exe }),
      argv,
      argumentsCut,
      cwd: cwd === undefined ? NO_TEXT : seenFrom(root, withoutDeleted(cwd), true),
      ...(environment !== undefined && { environment }),
      cgroup,
    };
  }

  #livingThread(folder: string, tgid: number): string {
    try {
      for (const { name } of Deno.readDirSync(`${folder}/task`)) {
        if (name !== String(tgid)) return `${folder}/task/${name}`;
      }
    } catch {
      // The group ended meanwhile.
    }
    return folder;
  }

  /** securebits and the user namespace's depth and owner are not in /proc. */
  #readCredentials(
    folder: string,
    { ids, capabilities }: ProcStatus,
    namespaces: Namespaces,
  ): ProcessFound["credentials"] {
    const isInitialUserNs = namespaces.user === INITIAL_USER_NS;
    return {
      ...ids,
      ...capabilities,
      secureBits: 0,
      loginUid: parseNumber(this.#read(`${folder}/loginuid`)) ?? UNKNOWN_ID,
      sessionId: parseNumber(this.#read(`${folder}/sessionid`)) ?? UNKNOWN_ID,
      userNsLevel: isInitialUserNs || namespaces.user === 0 ? 0 : 1,
      userNsUid: isInitialUserNs ? 0 : UNKNOWN_ID,
      userNsGid: isInitialUserNs ? 0 : UNKNOWN_ID,
    };
  }

  /** Where a process in a chroot has its root; "" for all others, and when it is not shown. */
  #rootOf(folder: string): string {
    const link = this.#link(`${folder}/root`);
    if (link === undefined) return "";
    const root = textFromBytes(link);
    return root.text === "/" || root.raw !== undefined ? "" : root.text;
  }

  #readNamespaces(folder: string): Namespaces {
    return readNamespaces((name) => this.#namespace(`${folder}/ns/${name}`));
  }

  #namespace(path: string): number {
    try {
      return parseNamespaceLink(Deno.readLinkSync(path)); // always ASCII
    } catch {
      return 0;
    }
  }

  #readCgroup(folder: string): CgroupPlace {
    const { placeOf } = this.#options;
    if (placeOf === undefined) return NO_PLACE;
    return placeOf(this.#decoder.decode(this.#read(`${folder}/cgroup`)));
  }

  #readExecutable(folder: string, root: string): Executable | undefined {
    const link = this.#link(`${folder}/exe`);
    if (link === undefined) return undefined;
    let info: Deno.FileInfo;
    try {
      info = Deno.statSync(`${folder}/exe`);
    } catch {
      return undefined;
    }
    const path = textFromBytes(link);
    const isNamed = !path.text.endsWith(DELETED) ||
      this.#isSameFile(folder, seenFrom(root, path, false), info);
    const memfd = !isNamed && path.text.startsWith("/memfd:");
    return {
      path: seenFrom(root, isNamed ? path : withoutDeleted(link), false),
      inode: BigInt(info.ino ?? 0),
      device: splitDevice(info.dev),
      links: info.nlink ?? 0,
      mode: info.mode ?? 0,
      uid: info.uid ?? 0,
      gid: info.gid ?? 0,
      deleted: !isNamed,
      memfd,
    };
  }

  /** Whether a file whose name really ends in " (deleted)" is the one that runs. */
  #isSameFile(folder: string, path: Text, running: Deno.FileInfo): boolean {
    try {
      const named = Deno.statSync(`${folder}/root${path.text}`);
      return named.ino === running.ino && named.dev === running.dev;
    } catch {
      return false;
    }
  }

  #link(path: string): Uint8Array | undefined {
    try {
      return this.#readLink(path);
    } catch {
      return undefined;
    }
  }

  /** Up to `sizeMax` bytes of a file, none when it cannot be read; valid until the next call. */
  #read(path: string, sizeMax = this.#buffer.length): Uint8Array {
    let size = 0;
    try {
      using file = Deno.openSync(path);
      while (size < sizeMax) {
        const count = file.readSync(this.#buffer.subarray(size, sizeMax));
        if (count === null || count === 0) break;
        size += count;
      }
    } catch {
      // Gone, or not ours to read: what came so far may be cut anywhere.
      return this.#buffer.subarray(0, 0);
    }
    return this.#buffer.subarray(0, size);
  }
}

/** Namespaces of one process; `inode` gives the number of one by its name in /proc/PID/ns, or 0. */
export function readNamespaces(inode: (name: string) => number): Namespaces {
  return {
    uts: inode("uts"),
    ipc: inode("ipc"),
    mnt: inode("mnt"),
    pid: inode("pid"),
    pidForChildren: inode("pid_for_children"),
    net: inode("net"),
    time: inode("time"),
    timeForChildren: inode("time_for_children"),
    cgroup: inode("cgroup"),
    user: inode("user"),
  };
}

/**
 * A path as a process with that root sees it, as records have it: /proc shows it as the reader
 * does. A working directory outside is marked as getcwd(2) marks it.
 */
function seenFrom(root: string, path: Text, marksOutside: boolean): Text {
  if (root === "" || !path.text.startsWith("/")) return path;
  if (path.text === root) return { text: "/" };
  if (!path.text.startsWith(`${root}/`)) {
    return marksOutside && path.raw === undefined ? { text: `(unreachable)${path.text}` } : path;
  }
  if (path.raw === undefined) return { text: path.text.slice(root.length) };
  return textFromBytes(path.raw.subarray(new TextEncoder().encode(root).length));
}

function withoutDeleted(link: Uint8Array): Text {
  const text = textFromBytes(link);
  return text.text.endsWith(DELETED)
    ? textFromBytes(link.subarray(0, link.length - DELETED.length))
    : text;
}

/** st_dev as user space has it: minor bits 0-7 and 20-31, major bits 8-19 and 32-63. */
function splitDevice(device: number): { major: number; minor: number } {
  const low = device % 0x1_0000_0000;
  const high = Math.floor(device / 0x1_0000_0000);
  return {
    major: ((low >>> 8) & 0xfff) + (high & ~0xfff),
    minor: (low & 0xff) + ((low >>> 12) & 0xfff00),
  };
}

function readLinkAsUtf8(path: string): Uint8Array {
  return new TextEncoder().encode(Deno.readLinkSync(path));
}
